/* ilogtail_row: the parts that rows of both dialects are made of. */
#include "encode/ilogtail.h"

bool ilogtail_begin(struct ilogtail_row *row, const struct record *record, struct buffer *buffer)
{
    struct slice type;

    row->writer = writer_begin(buffer);
    row->record = record;
    row->has_member = false;
    writer_index(record, row->index);
    type = ilogtail_text(row, FIELD_TYPE);
    row->is_server = slice_is_equal(ilogtail_text(row, FIELD_ROLE), SLICE_LITERAL("server"));
    if (!row->index[FIELD_AGGREGATE_INTERVAL_NS] ||
        (!slice_is_equal(type, SLICE_LITERAL("calls")) &&
         !slice_is_equal(type, SLICE_LITERAL("statistics"))))
        return false;
    writer_literal(&row->writer, "{");
    return true;
}

int ilogtail_end(struct ilogtail_row *row)
{
    writer_literal(&row->writer, "}\n");
    return writer_finish(&row->writer);
}

static const struct value *value_of(const struct ilogtail_row *row, enum field_id field)
{
    return row->index[field] ? &row->record->values[row->index[field] - 1] : NULL;
}

struct slice ilogtail_text(const struct ilogtail_row *row, enum field_id field)
{
    const struct value *value = value_of(row, field);

    return value && value->kind == VALUE_TEXT ? value->text : (struct slice){NULL, 0};
}

uint64_t ilogtail_number(const struct ilogtail_row *row, enum field_id field)
{
    const struct value *value = value_of(row, field);
    bool is_number = value && (value->kind == VALUE_NUMBER || value->kind == VALUE_ID);

    return is_number ? value->number : 0;
}

bool ilogtail_is_calls(const struct ilogtail_row *row)
{
    return slice_is_equal(ilogtail_text(row, FIELD_TYPE), SLICE_LITERAL("calls"));
}

int ilogtail_category(const struct ilogtail_row *row)
{
    static const struct {
        const char *protocol;
        int category;
    } known[] = {
        {"http", ILOGTAIL_HTTP},      {"dns", ILOGTAIL_DNS},        {"mysql", ILOGTAIL_DATABASE},
        {"redis", ILOGTAIL_DATABASE}, {"pgsql", ILOGTAIL_DATABASE}, {"kafka", ILOGTAIL_QUEUE},
    };
    struct slice protocol = ilogtail_text(row, FIELD_NETWORK_PROTOCOL_NAME);

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (slice_is_equal(protocol, slice_of_string(known[i].protocol)))
            return known[i].category;
    return ILOGTAIL_UNKNOWN;
}

struct slice ilogtail_mode(const struct ilogtail_row *row)
{
    if (row->index[FIELD_K8S_POD_NAME] || row->index[FIELD_K8S_NAMESPACE_NAME])
        return SLICE_LITERAL("kubernetes");
    if (row->index[FIELD_CONTAINER_ID] || row->index[FIELD_CONTAINER_NAME])
        return SLICE_LITERAL("container");
    return SLICE_LITERAL("host");
}

struct slice ilogtail_workload(const struct ilogtail_row *row)
{
    static const char *const names[] = {"k8s.deployment.name", "k8s.statefulset.name",
                                        "k8s.daemonset.name",  "k8s.cronjob.name",
                                        "k8s.job.name",        "k8s.replicaset.name"};
    struct slice text = {NULL, 0};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !text.length; i++) {
        enum field_id field = field_find(slice_of_string(names[i]));

        if (field != FIELD_COUNT)
            text = ilogtail_text(row, field);
    }
    return text;
}

/* Of HTTP/1 only the number behind the point is told, of others all of it. */
struct slice ilogtail_version(const struct ilogtail_row *row)
{
    struct slice version = ilogtail_text(row, FIELD_NETWORK_PROTOCOL_VERSION);

    if (version.length == 3 && version.data[0] == '1' && version.data[1] == '.' &&
        ilogtail_category(row) == ILOGTAIL_HTTP)
        return slice_part(version, 2, 1);
    return version;
}

const struct address *ilogtail_end_address(const struct ilogtail_row *row, bool is_remote)
{
    enum field_id field = row->is_server == is_remote ? FIELD_CLIENT_ADDRESS : FIELD_SERVER_ADDRESS;
    const struct value *value = value_of(row, field);

    return value && value->kind == VALUE_ADDRESS ? value->address : NULL;
}

uint64_t ilogtail_end_port(const struct ilogtail_row *row, bool is_remote)
{
    return ilogtail_number(row,
                           row->is_server == is_remote ? FIELD_CLIENT_PORT : FIELD_SERVER_PORT);
}

static void put_name(struct ilogtail_row *row, const char *name)
{
    if (row->has_member)
        writer_literal(&row->writer, ",");
    row->has_member = true;
    writer_literal(&row->writer, "\"");
    writer_escaped(&row->writer, slice_of_string(name), WRITER_QUOTED);
    writer_literal(&row->writer, "\":");
}

void ilogtail_put_text(struct ilogtail_row *row, const char *name, struct slice text)
{
    put_name(row, name);
    writer_literal(&row->writer, "\"");
    writer_escaped(&row->writer, text, WRITER_QUOTED);
    writer_literal(&row->writer, "\"");
}

void ilogtail_put_number(struct ilogtail_row *row, const char *name, uint64_t number, bool is_text)
{
    put_name(row, name);
    if (is_text)
        writer_literal(&row->writer, "\"");
    writer_number(&row->writer, number);
    if (is_text)
        writer_literal(&row->writer, "\"");
}

void ilogtail_put_tags(struct ilogtail_row *row)
{
    const struct value *tags = value_of(row, FIELD_TAGS);

    for (uint32_t i = 0; tags && i < tags->count; i++) {
        size_t length = slice_find(tags->texts[i], '=');

        writer_literal(&row->writer, ",\"__tag__:");
        writer_escaped(&row->writer, slice_part(tags->texts[i], 0, length), WRITER_QUOTED);
        writer_literal(&row->writer, "\":\"");
        writer_escaped(&row->writer, slice_part(tags->texts[i], length + 1, tags->texts[i].length),
                       WRITER_QUOTED);
        writer_literal(&row->writer, "\"");
    }
}
