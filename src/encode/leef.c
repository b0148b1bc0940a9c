/*
 * leef: IBM's Log Event Extended Format 2.0, as one line:
 * LEEF:2.0|vendor|product|version|event|x09| and pairs with tabs between them. The format has no
 * escapes: tabs and line breaks of a value are \t and \n, and '|' in the header is an underscore.
 */
#include <pthread.h>
#include "encode/encoder.h"
#include "encode/siem.h"

enum { TIME_BYTES = 23 /* ...56.123 */ };

static const struct flat_rules rules = {.special = "", .kept = "", .backslash = "\\", .lead = "\\"};

static const char *const names[FIELD_COUNT] = {
#define SIEM(identifier, cef, leef) [FIELD_##identifier] = (leef),
#include "encode/siem_names.def"
#undef SIEM
};

static struct siem_format format = {
    .names = names, .prefix = "", .separator = "\t", .rules = &rules};

static void put_header(struct writer *writer, const struct record *record)
{
    static const struct flat_rules plain = {
        .special = "", .kept = "", .backslash = "/", .lead = "/"};
    const struct value *type = record_find_const(record, FIELD_TYPE);
    size_t start;

    writer_literal(writer, "LEEF:2.0|weir|weir|" WEIR_VERSION "|");
    start = writer->buffer->length;
    if (type && type->kind == VALUE_TEXT)
        flat_text(writer, type->text, &plain);
    else
        writer_literal(writer, "record");
    for (size_t i = start; i < writer->buffer->length && !writer->error; i++)
        if (writer->buffer->data[i] == '|')
            writer->buffer->data[i] = '_';
    writer_literal(writer, "|x09|");
}

static void put_time(struct writer *writer, uint64_t time_ns)
{
    size_t start;

    writer_literal(writer, "devTime=");
    start = writer->buffer->length;
    writer_time(writer, time_ns);
    if (!writer->error)
        writer->buffer->length = start + TIME_BYTES;
    writer_literal(writer, "+0000\tdevTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ\tsev=");
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
    put_header(&writer, record);
    put_time(&writer, record->time_ns);
    writer_number(&writer, siem_severity(record));
    siem_fields(&writer, record, &format);
    writer_literal(&writer, "\n");
    return writer_finish(&writer);
}

const struct encoder encoder_leef = {
    .name = "leef",
    .help = "Log Event Extended Format 2.0, for QRadar",
    .encode = encode,
};
