/* observer_key: from records of the known types to the values that their row has. */
#include "refine/observer_key.h"

enum { PART_CUT = OBSERVER_TEXT_BYTES };

static const char *const owner_names[] = {
    "k8s.deployment.name", "k8s.statefulset.name", "k8s.daemonset.name",
    "k8s.cronjob.name",    "k8s.job.name",         "k8s.replicaset.name",
};

static struct slice text_of(const struct record *record, enum field_id field)
{
    const struct value *value = record_find_const(record, field);

    return value && value->kind == VALUE_TEXT ? value->text : (struct slice){NULL, 0};
}

static uint64_t number_of(const struct record *record, enum field_id field)
{
    const struct value *value = record_find_const(record, field);

    return value && (value->kind == VALUE_NUMBER || value->kind == VALUE_ID) ? value->number : 0;
}

static const struct address *address_of(const struct record *record, enum field_id field)
{
    const struct value *value = record_find_const(record, field);

    return value && value->kind == VALUE_ADDRESS ? value->address : NULL;
}

static bool is_text(const struct record *record, enum field_id field, const char *wanted)
{
    return slice_is_equal(text_of(record, field), slice_of_string(wanted));
}

static struct value *add(struct observer_view *view, enum field_id field)
{
    struct value *value = &view->values[view->count];

    if (view->count == OBSERVER_KEY_VALUES_MAXIMUM)
        return NULL;
    view->count++;
    *value =
        (struct value){.field = (uint16_t)field, .kind = (uint16_t)field_kinds[field], .count = 1};
    return value;
}

static void add_text(struct observer_view *view, enum field_id field, struct slice text)
{
    struct value *value = text.length ? add(view, field) : NULL;

    if (text.length > PART_CUT)
        view->is_cut = true;
    if (value)
        value->text = slice_part(text, 0, PART_CUT);
}

static void add_number(struct observer_view *view, enum field_id field, uint64_t number)
{
    struct value *value = add(view, field);

    if (value)
        value->number = number;
}

static void copy_text(struct observer_view *view, const struct record *record, enum field_id field)
{
    add_text(view, field, text_of(record, field));
}

static void copy_number(struct observer_view *view, const struct record *record,
                        enum field_id field)
{
    const struct value *value = record_find_const(record, field);

    if (value && (value->kind == VALUE_NUMBER || value->kind == VALUE_ID))
        add_number(view, field, value->number);
}

static void copy_address(struct observer_view *view, const struct record *record,
                         enum field_id field)
{
    const struct address *address = address_of(record, field);
    struct value *value = address ? add(view, field) : NULL;

    if (value)
        value->address = address;
}

/*
 * As iLogtail has it: the first word of the command line, but of Java and Python, whose program is
 * further behind, all of it. Without a command line the executable.
 */
static struct slice command_of(const struct record *record)
{
    struct slice line = text_of(record, FIELD_PROCESS_COMMAND_LINE);
    struct slice word = slice_part(line, 0, slice_find(line, ' '));

    if (!word.length)
        word = text_of(record, FIELD_PROCESS_EXECUTABLE_PATH);
    else if (memmem(word.data, word.length, "java", 4) ||
             memmem(word.data, word.length, "python", 6))
        word = line;
    return word.length ? word : text_of(record, FIELD_PROCESS_COMMAND);
}

static void add_process(struct observer_view *view, const struct record *record)
{
    view->command = command_of(record);
    copy_number(view, record, FIELD_PROCESS_PID);
    add_text(view, FIELD_PROCESS_COMMAND_LINE, view->command);
    copy_text(view, record, FIELD_CONTAINER_ID);
    copy_text(view, record, FIELD_CONTAINER_NAME);
    copy_text(view, record, FIELD_K8S_NAMESPACE_NAME);
    copy_text(view, record, FIELD_K8S_POD_NAME);
    copy_text(view, record, FIELD_K8S_CONTAINER_NAME);
    for (size_t i = 0; i < sizeof(owner_names) / sizeof(*owner_names); i++) {
        enum field_id field = field_find(slice_of_string(owner_names[i]));

        if (field != FIELD_COUNT && text_of(record, field).length) {
            copy_text(view, record, field);
            break;
        }
    }
}

/* Unix sockets have the unspecified address, and the port 0, as there. */
static void add_unix_ends(struct observer_view *view, bool with_connections)
{
    static const struct address nowhere = {.family = ADDRESS_IPV4};
    enum field_id fields[] = {view->is_server ? FIELD_CLIENT_ADDRESS : FIELD_SERVER_ADDRESS,
                              view->is_server ? FIELD_SERVER_ADDRESS : FIELD_CLIENT_ADDRESS};

    view->local = view->remote = &nowhere;
    for (int i = 0; i < 1 + with_connections; i++) {
        struct value *value = add(view, fields[i]);

        if (value)
            value->address = &nowhere;
    }
}

static struct slice role_of(const struct observer_view *view, const struct record *record)
{
    if (view->is_server)
        return SLICE_LITERAL("server");
    if (view->is_unix && !text_of(record, FIELD_ROLE).length)
        return SLICE_LITERAL("unknown");
    return SLICE_LITERAL("client");
}

/* A server's clients have many ports, which mean nothing but to whom looks at each connection. */
static void add_ends(struct observer_view *view, const struct record *record, bool with_connections)
{
    view->is_server = is_text(record, FIELD_ROLE, "server");
    view->connection = number_of(record, FIELD_CONNECTION_ID);
    view->local = address_of(record, view->is_server ? FIELD_SERVER_ADDRESS : FIELD_CLIENT_ADDRESS);
    view->remote =
        address_of(record, view->is_server ? FIELD_CLIENT_ADDRESS : FIELD_SERVER_ADDRESS);
    view->is_unix = is_text(record, FIELD_NETWORK_TRANSPORT, "unix");
    add_text(view, FIELD_ROLE, role_of(view, record));
    if (view->is_unix)
        add_unix_ends(view, with_connections);
    if (with_connections || view->is_server)
        copy_address(view, record, FIELD_CLIENT_ADDRESS);
    if (with_connections)
        copy_number(view, record, FIELD_CLIENT_PORT);
    if (with_connections || !view->is_server) {
        copy_address(view, record, FIELD_SERVER_ADDRESS);
        copy_number(view, record, FIELD_SERVER_PORT);
    }
    if (with_connections)
        copy_number(view, record, FIELD_CONNECTION_ID);
}

static bool take_http(struct observer_view *view, const struct record *record)
{
    if (!record_find_const(record, FIELD_HTTP_RESPONSE_STATUS_CODE) ||
        !record_find_const(record, FIELD_HTTP_REQUEST_METHOD))
        return false;
    copy_text(view, record, FIELD_URL_DOMAIN);
    copy_text(view, record, FIELD_HTTP_REQUEST_METHOD);
    copy_text(view, record, FIELD_URL_PATH);
    copy_number(view, record, FIELD_HTTP_RESPONSE_STATUS_CODE);
    view->numbers[2] = number_of(record, FIELD_HTTP_REQUEST_HEAD_SIZE) +
                       number_of(record, FIELD_HTTP_REQUEST_BODY_SIZE);
    view->numbers[3] = number_of(record, FIELD_HTTP_RESPONSE_HEAD_SIZE) +
                       number_of(record, FIELD_HTTP_RESPONSE_BODY_SIZE);
    return true;
}

static bool take_dns(struct observer_view *view, const struct record *record)
{
    struct slice code = text_of(record, FIELD_DNS_RESPONSE_CODE);

    copy_text(view, record, FIELD_DNS_QUESTION_NAME);
    copy_text(view, record, FIELD_DNS_QUESTION_TYPE);
    add_number(view, FIELD_AGGREGATE_SUCCESS, slice_is_equal(code, SLICE_LITERAL("NOERROR")));
    view->numbers[2] = number_of(record, FIELD_DNS_REQUEST_SIZE);
    view->numbers[3] = number_of(record, FIELD_DNS_RESPONSE_SIZE);
    return code.length;
}

static bool take_database(struct observer_view *view, const struct record *record)
{
    bool is_failed = text_of(record, FIELD_DB_RESPONSE_STATUS_CODE).length ||
                     text_of(record, FIELD_ERROR_MESSAGE).length;

    copy_text(view, record, FIELD_DB_OPERATION_NAME);
    copy_text(view, record, FIELD_DB_QUERY_TEXT);
    add_number(view, FIELD_AGGREGATE_SUCCESS, !is_failed);
    view->numbers[2] = number_of(record, FIELD_DB_REQUEST_SIZE);
    view->numbers[3] = number_of(record, FIELD_DB_RESPONSE_SIZE);
    return true;
}

static bool take_kafka(struct observer_view *view, const struct record *record)
{
    copy_text(view, record, FIELD_MESSAGING_OPERATION_NAME);
    copy_text(view, record, FIELD_MESSAGING_CLIENT_ID);
    copy_text(view, record, FIELD_MESSAGING_DESTINATION_NAME);
    add_number(view, FIELD_AGGREGATE_SUCCESS, number_of(record, FIELD_ERROR_CODE) == 0);
    view->numbers[2] = number_of(record, FIELD_KAFKA_REQUEST_SIZE);
    view->numbers[3] = number_of(record, FIELD_KAFKA_RESPONSE_SIZE);
    return true;
}

static void take_sides(struct observer_view *view, const struct record *record)
{
    static const enum field_id fields[2][2] = {{FIELD_CLIENT_PAYLOAD_BYTES, FIELD_CLIENT_PACKETS},
                                               {FIELD_SERVER_PAYLOAD_BYTES, FIELD_SERVER_PACKETS}};

    for (int i = 0; i < 2; i++) {
        bool is_sent = (i == 1) == view->is_server;

        view->numbers[is_sent ? 0 : 1] = number_of(record, fields[i][0]);
        view->numbers[is_sent ? 2 : 3] = record->data_packets[i] ? record->data_packets[i]
                                         : view->numbers[is_sent ? 0 : 1]
                                             ? number_of(record, fields[i][1])
                                             : 0;
    }
}

/* OBSERVER_STATISTICS + 1: none of them. */
static unsigned kind_of(const struct record *record)
{
    static const struct {
        const char *type;
        unsigned kind;
    } types[] = {
        {"http", OBSERVER_HTTP},
        {"mysql", OBSERVER_MYSQL},
        {"dns", OBSERVER_DNS},
        {"redis", OBSERVER_REDIS},
        {"postgresql", OBSERVER_PGSQL},
        {"kafka", OBSERVER_KAFKA},
        {"connection", OBSERVER_STATISTICS},
        {"statistics", OBSERVER_STATISTICS},
    };
    struct slice type = text_of(record, FIELD_TYPE);

    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (slice_is_equal(type, slice_of_string(types[i].type)))
            return types[i].kind;
    return OBSERVER_STATISTICS + 1;
}

static bool take_call(struct observer_view *view, const struct record *record)
{
    if (!record_find_const(record, FIELD_DURATION_NS) ||
        record_has_flag(record, RECORD_FLAG_UNPAIRED))
        return false;
    view->numbers[0] = 1;
    view->numbers[1] = number_of(record, FIELD_DURATION_NS);
    copy_text(view, record, FIELD_NETWORK_PROTOCOL_VERSION);
    switch (view->kind) {
    case OBSERVER_HTTP:
        return take_http(view, record);
    case OBSERVER_DNS:
        return take_dns(view, record);
    case OBSERVER_KAFKA:
        return take_kafka(view, record);
    default:
        return take_database(view, record);
    }
}

static void begin(struct observer_view *view, const struct record *record, unsigned kind,
                  bool with_connections)
{
    memset(view, 0, offsetof(struct observer_view, values));
    view->kind = kind;
    add_text(view, FIELD_TYPE,
             kind == OBSERVER_STATISTICS ? SLICE_LITERAL("statistics") : SLICE_LITERAL("calls"));
    add_process(view, record);
    add_ends(view, record, with_connections);
    copy_text(view, record, FIELD_NETWORK_TRANSPORT);
    if (kind != OBSERVER_STATISTICS)
        add_text(view, FIELD_NETWORK_PROTOCOL_NAME, slice_of_string(observer_protocol_names[kind]));
}

bool observer_view_of(const struct record *record, bool with_connections,
                      struct observer_view *ret_view)
{
    unsigned kind = kind_of(record);

    if (kind > OBSERVER_STATISTICS)
        return false;
    begin(ret_view, record, kind, with_connections);
    if (!ret_view->remote)
        return false;
    if (kind != OBSERVER_STATISTICS)
        return take_call(ret_view, record);
    ret_view->is_over = is_text(record, FIELD_TYPE, "connection");
    take_sides(ret_view, record);
    return record_find_const(record, FIELD_CLIENT_PAYLOAD_BYTES) ||
           record_find_const(record, FIELD_SERVER_PAYLOAD_BYTES);
}

void observer_view_traffic(const struct record *record, bool with_connections,
                           uint64_t request_bytes, uint64_t response_bytes,
                           struct observer_view *ret_view)
{
    begin(ret_view, record, OBSERVER_STATISTICS, with_connections);
    ret_view->numbers[0] = ret_view->is_server ? response_bytes : request_bytes;
    ret_view->numbers[1] = ret_view->is_server ? request_bytes : response_bytes;
    ret_view->numbers[2] = ret_view->numbers[0] > 0;
    ret_view->numbers[3] = ret_view->numbers[1] > 0;
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t length)
{
    memcpy(at, bytes, length);
    return at + length;
}

size_t observer_key_write(const struct observer_view *view, uint8_t bytes[OBSERVER_KEY_BYTES])
{
    uint8_t *at = bytes, *end = bytes + OBSERVER_KEY_BYTES;

    for (size_t i = 0; i < view->count; i++) {
        const struct value *value = &view->values[i];
        uint32_t length;

        if (end - at < OBSERVER_TEXT_BYTES + 64)
            break;
        at = put(at, &value->field, sizeof(value->field));
        if (value->kind == VALUE_TEXT) {
            length = (uint32_t)value->text.length;
            at = put(at, &length, sizeof(length));
            at = put(at, value->text.data, length);
        } else if (value->kind == VALUE_ADDRESS) {
            at = put(at, &value->address->family, 1);
            at = put(at, value->address->bytes, sizeof(value->address->bytes));
        } else {
            at = put(at, &value->number, sizeof(value->number));
        }
    }
    return (size_t)(at - bytes);
}

size_t observer_key_read(const uint8_t *bytes, size_t length,
                         struct value values[OBSERVER_KEY_VALUES_MAXIMUM])
{
    const uint8_t *at = bytes, *end = bytes + length;
    size_t count = 0;

    while (at < end && count < OBSERVER_KEY_VALUES_MAXIMUM) {
        struct value *value = &values[count++];
        uint32_t part;

        *value = (struct value){.count = 1};
        memcpy(&value->field, at, sizeof(value->field));
        at += sizeof(value->field);
        value->kind = field_kinds[value->field];
        if (value->kind == VALUE_TEXT) {
            memcpy(&part, at, sizeof(part));
            value->text = slice_of(at + sizeof(part), part);
            at += sizeof(part) + part;
        } else if (value->kind == VALUE_ADDRESS) {
            value->address = (const struct address *)(const void *)at;
            at += sizeof(struct address);
        } else {
            memcpy(&value->number, at, sizeof(value->number));
            at += sizeof(value->number);
        }
    }
    return count;
}
_Static_assert(sizeof(struct address) == 17, "written and read as one family and its bytes");
