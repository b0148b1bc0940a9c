/*
 * cef: ArcSight's Common Event Format, version 0, as one line:
 * CEF:0|vendor|product|version|signature|name|severity|key=value key=value. In the header '|' and
 * '\' have a backslash in front, in values '=' and '\', and line breaks are \n and \r.
 */
#include <pthread.h>
#include "encode/encoder.h"
#include "encode/siem.h"

enum { MILLISECOND_NS = 1000000 };

static const struct flat_rules header_rules = {
    .special = "|", .kept = "", .backslash = "\\\\", .lead = "\\\\"};
static const struct flat_rules value_rules = {
    .special = "=", .kept = "nr", .backslash = "\\\\", .lead = "\\\\"};

static const char *const names[FIELD_COUNT] = {
#define SIEM(identifier, cef, leef) [FIELD_##identifier] = (cef),
#include "encode/siem_names.def"
#undef SIEM
};

static struct siem_format format = {
    .names = names, .prefix = "weir", .separator = " ", .rules = &value_rules, .has_sides = true};

static void put_label(struct writer *writer, const struct record *record, enum field_id field,
                      const char *key, const char *label)
{
    const struct value *value = record_find_const(record, field);

    if (!value || value->kind != VALUE_NUMBER)
        return;
    writer_literal(writer, " ");
    writer_bytes(writer, key, strlen(key));
    writer_literal(writer, "=");
    writer_number(writer, value->number);
    writer_literal(writer, " ");
    writer_bytes(writer, key, strlen(key));
    writer_literal(writer, "Label=");
    writer_bytes(writer, label, strlen(label));
}

/* Times are milliseconds since 1970. */
static void put_times(struct writer *writer, const struct record *record)
{
    const struct value *duration = record_find_const(record, FIELD_DURATION_NS);

    writer_literal(writer, "rt=");
    writer_number(writer, record->time_ns / MILLISECOND_NS);
    writer_literal(writer, " start=");
    writer_number(writer, record->time_ns / MILLISECOND_NS);
    if (duration && duration->kind == VALUE_NUMBER) {
        writer_literal(writer, " end=");
        writer_number(writer, (record->time_ns + duration->number) / MILLISECOND_NS);
    }
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_names(void)
{
    siem_names(&format);
}

static int encode(const struct record *record, const struct encoder_options *options,
                  struct buffer *ret_buffer)
{
    struct writer writer = writer_begin(ret_buffer);

    (void)options;
    pthread_once(&once, make_names);
    writer_literal(&writer, "CEF:0");
    siem_product(&writer, record, &header_rules);
    flat_summary(&writer, record, &header_rules);
    writer_literal(&writer, "|");
    writer_number(&writer, siem_severity(record));
    writer_literal(&writer, "|");
    put_times(&writer, record);
    put_label(&writer, record, FIELD_HTTP_RESPONSE_STATUS_CODE, "cn1", "status");
    put_label(&writer, record, FIELD_DURATION_NS, "cn2", "duration_ns");
    siem_fields(&writer, record, &format);
    writer_literal(&writer, "\n");
    return writer_finish(&writer);
}

const struct encoder encoder_cef = {
    .name = "cef",
    .help = "Common Event Format, for security systems",
    .encode = encode,
};
