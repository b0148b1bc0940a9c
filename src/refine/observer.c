/* observer: decides what is taken, keeps what was told, and makes records of rows. */
#include "refine/observer.h"
#include <errno.h>
#include <stdio.h>
#include "base/allocate.h"
#include "base/table.h"
#include "refine/observer_choice.h"
#include "refine/observer_names.h"
#include "refine/observer_rows.h"

enum { ROW_RECORD_BYTES = 64 * 1024, SERVICES_MAXIMUM = 1024 };

/* What was told of a connection. Calls may come behind its end, which told the whole of it. */
struct told {
    uint64_t numbers[OBSERVER_NUMBERS];
    uint8_t protocol; /* of a Unix socket: 1 + enum observer_protocol; 0: not known */
    uint8_t age;      /* 0: it lives; else intervals since its end, from 1 */
    bool is_counted;  /* its socket tells its bytes from time to time: calls need not */
};

struct observer {
    struct observer_settings settings;
    uint64_t intervals_ns[2]; /* of calls, of statistics */
    uint64_t sampling, pid;
    unsigned protocols; /* bit set of enum observer_protocol */
    bool is_dropping_local, is_dropping_unix;
    struct observer_choice *choice;
    struct observer_names *names; /* NULL: not asked for */
    struct observer_rows *rows;
    struct table connections; /* of struct told */
    struct observer_addresses addresses;
    /* What a server's address and port speak, direct mapped. */
    struct service {
        struct address address;
        uint16_t port;
        uint8_t protocol; /* 1 + enum observer_protocol */
    } services[SERVICES_MAXIMUM];
    uint64_t end_ns[2]; /* of the interval, of calls and of statistics; 0: none has begun */
    uint64_t latest_ns;
    struct observer_view view;
    char *tags[OPTION_LIST_MAXIMUM + 1]; /* "NAME=VALUE" */
    size_t tag_count;
};

/* Sampling by connection: a number of 0 to 99 for each. */
static unsigned lot_of(uint64_t connection)
{
    connection ^= connection >> 31;
    connection *= 0x9e3779b97f4a7c15u;
    return (unsigned)((connection >> 33) % 100);
}

static int add_tag(struct observer *observer, const char *name, const char *value)
{
    size_t size = strlen(name) + strlen(value) + 1;
    char *tag = allocate(size);

    if (!tag)
        return -ENOMEM;
    snprintf(tag, size, "%s%s", name, value);
    observer->tags[observer->tag_count++] = tag;
    return 0;
}

static int copy_tags(struct observer *observer, const struct observer_options *options)
{
    int result = options->cluster ? add_tag(observer, "cluster=", options->cluster) : 0;

    for (size_t i = 0; i < options->tags.count && result == 0; i++)
        result = add_tag(observer, "", options->tags.items[i]);
    return result;
}

static void copy_options(struct observer *observer, const struct observer_options *options)
{
    observer->intervals_ns[0] = options->l7_interval_ns;
    observer->intervals_ns[1] = options->l4_interval_ns;
    observer->sampling = options->sampling;
    observer->pid = options->pid;
    observer->is_dropping_local = options->is_dropping_local;
    observer->is_dropping_unix = options->is_dropping_unix;
    for (unsigned i = 0; options->with_protocols && i < OBSERVER_PROTOCOL_COUNT; i++)
        if (observer_options_has_protocol(options, (enum observer_protocol)i))
            observer->protocols |= 1u << i;
}

static int start(struct observer *observer, const struct observer_settings *settings)
{
    uint64_t limits[OBSERVER_KIND_COUNT][2];
    int result;

    memcpy(limits, settings->options->sizes, sizeof(settings->options->sizes));
    limits[OBSERVER_STATISTICS][0] = limits[OBSERVER_STATISTICS][1] =
        OBSERVER_CONNECTION_ROWS_MAXIMUM;
    observer->settings = *settings;
    observer->settings.options = NULL;
    copy_options(observer, settings->options);
    table_init(&observer->connections, OBSERVER_CONNECTIONS_MAXIMUM);
    result = copy_tags(observer, settings->options);
    if (result == 0)
        result = observer_choice_new(settings->options, &observer->choice);
    if (result == 0)
        result = observer_rows_new((const uint64_t(*)[2])limits, &observer->rows);
    if (result == 0 && settings->with_connections)
        result = observer_names_new(&observer->names);
    return result;
}

int observer_new(const struct observer_settings *settings, struct observer **ret_observer)
{
    struct observer *observer = allocate_zeroed(sizeof(*observer));
    int result = observer ? start(observer, settings) : -ENOMEM;

    if (result)
        observer_free(&observer);
    else
        *ret_observer = observer;
    return result;
}

void observer_free(struct observer **observer)
{
    if (!*observer)
        return;
    for (size_t i = 0; i < (*observer)->connections.capacity; i++)
        deallocate((*observer)->connections.slots[i].value);
    table_done(&(*observer)->connections);
    for (size_t i = 0; i < (*observer)->tag_count; i++)
        deallocate((*observer)->tags[i]);
    observer_choice_free(&(*observer)->choice);
    observer_names_free(&(*observer)->names);
    observer_rows_free(&(*observer)->rows);
    deallocate(*observer);
    *observer = NULL;
}

void observer_inherit(struct observer *fresh, struct observer *old)
{
    fresh->connections = old->connections;
    table_init(&old->connections, OBSERVER_CONNECTIONS_MAXIMUM);
    fresh->addresses = old->addresses;
    memcpy(fresh->services, old->services, sizeof(fresh->services));
}

void observer_set_addresses(struct observer *observer, const struct observer_addresses *addresses)
{
    observer->addresses = *addresses;
}

static bool is_loopback(const struct address *address)
{
    static const uint8_t own[16] = {[15] = 1};

    if (address->family == ADDRESS_IPV4)
        return address->bytes[0] == 127;
    return memcmp(address->bytes, own, sizeof(own)) == 0;
}

static bool is_local(const struct observer *observer, const struct observer_view *view)
{
    const struct observer_addresses *own = &observer->addresses;

    if (is_loopback(view->remote) || (view->local && address_is_equal(view->local, view->remote)))
        return true;
    for (size_t i = 0; i < own->count; i++)
        if (address_is_equal(&own->items[i], view->remote))
            return true;
    return false;
}

static uint64_t pid_of(const struct record *record)
{
    const struct value *pid = record_find_const(record, FIELD_PROCESS_PID);

    return pid ? pid->number : 0;
}

static bool is_wanted(const struct observer *observer, const struct observer_view *view,
                      const struct record *record)
{
    if (view->kind != OBSERVER_STATISTICS && !(observer->protocols & 1u << view->kind))
        return false;
    if (observer->pid && pid_of(record) != observer->pid)
        return false;
    if (view->is_unix ? observer->is_dropping_unix
                      : observer->is_dropping_local && is_local(observer, view))
        return false;
    if (lot_of(view->connection) >= observer->sampling)
        return false;
    return observer_choice_takes(observer->choice, record, view->command);
}

static struct service *service_of(struct observer *observer, const struct record *record)
{
    const struct value *address = record_find_const(record, FIELD_SERVER_ADDRESS);
    const struct value *port = record_find_const(record, FIELD_SERVER_PORT);
    uint32_t hash = 2166136261u;
    struct service *service;

    if (!address || !port)
        return NULL;
    for (size_t i = 0; i < sizeof(address->address->bytes); i++)
        hash = (hash ^ address->address->bytes[i]) * 16777619u;
    hash = (hash ^ (uint32_t)port->number) * 16777619u;
    service = &observer->services[(hash ^ hash >> 16) % SERVICES_MAXIMUM];
    if (!address_is_equal(&service->address, address->address) || service->port != port->number)
        *service = (struct service){*address->address, (uint16_t)port->number, 0};
    return service;
}

/* The connection's entry, made where there is none; NULL: no room. */
static struct told *told_of(struct observer *observer, uint64_t connection)
{
    struct told *told = table_find(&observer->connections, connection);

    if (told)
        return told;
    told = allocate_zeroed(sizeof(*told));
    if (told && table_set(&observer->connections, connection, told) < 0) {
        deallocate(told);
        told = NULL;
    }
    return told;
}

static uint8_t protocol_of(const struct observer *observer, const struct observer_view *view)
{
    const struct told *told = table_find(&observer->connections, view->connection);

    return told ? told->protocol : 0;
}

/* What is new of the connection since it was last told of. False: it cannot be known. */
static bool subtract_told(struct observer *observer, struct observer_view *view)
{
    struct told *told = view->is_over ? table_find(&observer->connections, view->connection)
                                      : told_of(observer, view->connection);

    if (told)
        told->is_counted = true;
    for (size_t i = 0; told && i < OBSERVER_NUMBERS; i++) {
        uint64_t whole = view->numbers[i];

        view->numbers[i] -= told->numbers[i] < whole ? told->numbers[i] : whole;
        if (told->numbers[i] < whole)
            told->numbers[i] = whole;
    }
    if (view->is_over && (told = told_of(observer, view->connection)))
        *told = (struct told){.age = 1};
    return told || view->is_over; /* else its end will tell the whole */
}

/* Adds what the view says to its row. */
static enum observer_verdict add(struct observer *observer, const struct observer_view *view,
                                 uint8_t protocol)
{
    enum observer_verdict verdict;
    struct observer_row *row = observer_rows_get(observer->rows, view, &verdict);

    if (!row)
        return verdict;
    for (size_t i = 0; i < OBSERVER_NUMBERS; i++)
        row->numbers[i] += view->numbers[i];
    if (protocol)
        row->protocol = protocol;
    if (view->kind != OBSERVER_STATISTICS && observer->settings.with_digest)
        (void)latency_digest_add(&row->digest, (double)view->numbers[1]);
    return OBSERVER_TAKEN;
}

static bool is_text(const struct record *record, enum field_id field, struct slice wanted)
{
    const struct value *value = record_find_const(record, field);

    return value && value->kind == VALUE_TEXT && slice_is_equal(value->text, wanted);
}

/*
 * A connection's end tells its bytes, which may be hours away: until its socket is told of for the
 * first time each call tells of its own, which that then has among its bytes. Not where heads are
 * compressed, whose sizes on the wire are others. UDP has no end.
 */
static void take_traffic(struct observer *observer, const struct record *record)
{
    struct observer_view *view = &observer->view;
    bool is_datagram = is_text(record, FIELD_NETWORK_TRANSPORT, SLICE_LITERAL("udp"));
    unsigned kind = view->kind;
    struct told *told;

    if (view->is_unix) {
        told = told_of(observer, view->connection); /* its bytes are told of as they are moved */
        if (told)
            told->protocol = (uint8_t)(kind + 1);
        return;
    }
    if (observer->settings.is_timed_by_records ||
        (is_datagram && !observer->settings.with_datagrams) ||
        (kind == OBSERVER_HTTP &&
         !is_text(record, FIELD_NETWORK_PROTOCOL_VERSION, SLICE_LITERAL("1.1")) &&
         !is_text(record, FIELD_NETWORK_PROTOCOL_VERSION, SLICE_LITERAL("1.0"))))
        return;
    observer_view_traffic(record, observer->settings.with_connections, view->numbers[2],
                          view->numbers[3], view);
    told = is_datagram ? NULL : told_of(observer, view->connection);
    if (!is_datagram && (!told || told->age || told->is_counted))
        return;
    if (add(observer, view, (uint8_t)(kind + 1)) != OBSERVER_TAKEN)
        return;
    for (size_t i = 0; told && i < OBSERVER_NUMBERS; i++)
        told->numbers[i] += view->numbers[i];
}

static enum observer_verdict take_view(struct observer *observer, const struct record *record)
{
    struct observer_view *view = &observer->view;
    struct service *service = service_of(observer, record);
    enum observer_verdict verdict;

    if (view->kind == OBSERVER_STATISTICS) {
        uint8_t protocol = service ? service->protocol : protocol_of(observer, view);

        if (!subtract_told(observer, view))
            return OBSERVER_FILTERED;
        if (!view->numbers[0] && !view->numbers[1]) /* all of it was told before */
            return OBSERVER_TAKEN;
        return add(observer, view, protocol);
    }
    if (service)
        service->protocol = (uint8_t)(view->kind + 1);
    verdict = add(observer, view, 0);
    if (verdict == OBSERVER_TAKEN)
        take_traffic(observer, record);
    return verdict;
}

enum observer_verdict observer_take(struct observer *observer, const struct record *record)
{
    uint64_t end_ns = record->end_time_ns > record->time_ns ? record->end_time_ns : record->time_ns;

    if (end_ns > observer->latest_ns)
        observer->latest_ns = end_ns;
    if (observer->settings.is_timed_by_records)
        observer_tick(observer, observer->latest_ns);
    if (observer->names)
        observer_names_learn(observer->names, record);
    if (!observer_view_of(record, observer->settings.with_connections, &observer->view) ||
        !is_wanted(observer, &observer->view, record))
        return OBSERVER_FILTERED;
    return take_view(observer, record);
}

/* The end of the interval that the time lies in; intervals follow each other without a gap. */
static uint64_t end_of(uint64_t now_ns, uint64_t last_end_ns, uint64_t interval_ns)
{
    uint64_t part = last_end_ns && now_ns >= last_end_ns ? (now_ns - last_end_ns) % interval_ns : 0;

    return now_ns - part + interval_ns;
}

/* Forgets connections that ended before the last interval. */
static void forget(struct observer *observer)
{
    struct table old = observer->connections;

    table_init(&observer->connections, old.maximum);
    for (size_t i = 0; i < old.capacity; i++) {
        struct told *told = old.slots[i].value;

        if (told && ((told->age && told->age++ > 1) ||
                     table_set(&observer->connections, old.slots[i].key, told) < 0))
            deallocate(told);
    }
    table_done(&old);
}

void observer_tick(struct observer *observer, uint64_t now_ns)
{
    for (int i = 0; i < 2; i++) {
        uint64_t *end_ns = &observer->end_ns[i], interval_ns = observer->intervals_ns[i];

        if (now_ns == UINT64_MAX)
            observer_rows_close(observer->rows, i == 1, observer->latest_ns, interval_ns);
        else if (now_ns >= *end_ns || *end_ns - now_ns > 2 * interval_ns) { /* or set back */
            observer_rows_close(observer->rows, i == 1, *end_ns, interval_ns);
            *end_ns = end_of(now_ns, *end_ns, interval_ns);
            if (i == 1)
                forget(observer);
        }
    }
}

static bool add_key(struct record *record, const struct observer_row *row)
{
    struct slice key = arena_copy(record->arena, slice_of(row->key, row->key_length));
    struct value values[OBSERVER_KEY_VALUES_MAXIMUM];
    size_t count;

    if (!key.length)
        return false;
    count = observer_key_read(key.data, key.length, values);
    for (size_t i = 0; i < count; i++) {
        struct value *value = record_add(record, (enum field_id)values[i].field);

        if (value)
            *value = values[i];
    }
    return true;
}

static void add_tags(const struct observer *observer, struct record *record)
{
    struct slice *texts = arena_allocate(record->arena, sizeof(*texts) * (observer->tag_count + 1));
    uint32_t count = 0;

    for (size_t i = 0; texts && i < observer->tag_count; i++) {
        texts[count] = arena_copy(record->arena, slice_of_string(observer->tags[i]));
        count += texts[count].length > 0;
    }
    if (count)
        record_add_texts(record, FIELD_TAGS, texts, count);
}

static void add_calls(struct record *record, struct observer_row *row)
{
    struct slice digest;

    record_add_number(record, FIELD_AGGREGATE_COUNT, row->numbers[0]);
    record_add_number(record, FIELD_AGGREGATE_DURATION_NS, row->numbers[1]);
    record_add_number(record, FIELD_AGGREGATE_REQUEST_BYTES, row->numbers[2]);
    record_add_number(record, FIELD_AGGREGATE_RESPONSE_BYTES, row->numbers[3]);
    if (!row->digest.count)
        return;
    digest = latency_digest_text(&row->digest, record->arena);
    if (digest.length)
        record_add_text(record, FIELD_AGGREGATE_DURATION_DIGEST, digest);
}

static void add_statistics(struct record *record, const struct observer_row *row)
{
    if (row->protocol)
        record_add_text(record, FIELD_NETWORK_PROTOCOL_NAME,
                        slice_of_string(observer_protocol_names[row->protocol - 1]));
    record_add_number(record, FIELD_AGGREGATE_SENT_BYTES, row->numbers[0]);
    record_add_number(record, FIELD_AGGREGATE_RECEIVED_BYTES, row->numbers[1]);
    record_add_number(record, FIELD_AGGREGATE_SENT_PACKETS, row->numbers[2]);
    record_add_number(record, FIELD_AGGREGATE_RECEIVED_PACKETS, row->numbers[3]);
}

static void add_remote_name(const struct observer *observer, struct record *record,
                            const struct observer_row *row)
{
    const struct value *remote =
        record_find_const(record, row->is_server ? FIELD_CLIENT_ADDRESS : FIELD_SERVER_ADDRESS);
    struct slice name = remote && observer->names
                            ? observer_names_find(observer->names, remote->address)
                            : (struct slice){NULL, 0};

    name = name.length ? arena_copy(record->arena, name) : name;
    if (name.length)
        record_add_text(record, FIELD_AGGREGATE_REMOTE_NAME, name);
}

/* All of it comes from records that the masking stage has seen. */
static struct record *make_record(const struct observer *observer, struct observer_row *row)
{
    struct record *record = record_new(ROW_RECORD_BYTES);

    if (!record)
        return NULL;
    record->time_ns = row->time_ns;
    record_add_number(record, FIELD_TIME, row->time_ns);
    record_add_number(record, FIELD_ID, record_next_id(row->time_ns));
    if (!add_key(record, row)) {
        record_unref(&record);
        return NULL;
    }
    record_add_number(record, FIELD_AGGREGATE_INTERVAL_NS, row->interval_ns);
    if (row->kind == OBSERVER_STATISTICS)
        add_statistics(record, row);
    else
        add_calls(record, row);
    add_remote_name(observer, record, row);
    add_tags(observer, record);
    if (row->is_cut)
        record_set_flag(record, RECORD_FLAG_TRUNCATED);
    record->is_masked = true;
    return record;
}

struct record *observer_next(struct observer *observer, bool *ret_is_lost)
{
    struct observer_row *row = observer_rows_next(observer->rows);
    struct record *record = row ? make_record(observer, row) : NULL;

    *ret_is_lost = row && !record;
    observer_row_free(&row);
    return record;
}
