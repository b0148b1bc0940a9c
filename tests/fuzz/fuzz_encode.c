/*
 * fuzz_encode: any bytes as a target and as headers, masked and encoded in every format. The
 * input's first byte says how it is cut. In text a record must be one line without control bytes.
 */
#include <stdlib.h>
#include "encode/encoder.h"
#include "refine/mask.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct encoder *encoder, const struct buffer *buffer)
{
    if (encoder->is_binary)
        return;
    for (size_t i = 0; i < buffer->length; i++) {
        bool is_end = i + 1 == buffer->length;

        if (buffer->data[i] == '\t' && encoder == &encoder_leef)
            continue; /* between pairs */
        if (is_end ? buffer->data[i] != '\n' : buffer->data[i] < ' ' || buffer->data[i] == 0x7f)
            abort();
    }
}

static void encode_all(const struct record *record)
{
    static const struct encoder_options options = {0};
    struct buffer buffer;

    buffer_init(&buffer, 1 << 20);
#define ENCODER(name)                                                                              \
    buffer.length = 0;                                                                             \
    if (encoder_##name.encode(record, &options, &buffer) == 0)                                     \
        check(&encoder_##name, &buffer);
#include "encode/encoders.def"
#undef ENCODER
    buffer_done(&buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void *masks[2];
    struct mask_options with_key = {.key = SLICE_LITERAL("key")}, without = {0};
    struct record *record;
    struct header *header;
    struct slice text, name, value;

    if (!masks[0] && (mask_new(&without, &masks[0]) < 0 || mask_new(&with_key, &masks[1]) < 0))
        return 0;
    if (size < 2)
        return 0;
    record = record_new(1 << 20);
    header = record ? arena_allocate(record->arena, sizeof(*header)) : NULL;
    if (!header)
        abort();
    text = slice_of(data + 1, size - 1);
    name = slice_part(text, 0, data[0] >> 1);
    value = slice_part(text, name.length, text.length);
    *header = (struct header){name, value};
    record_add_headers(record, FIELD_HTTP_REQUEST_HEADERS, header, 1);
    record_add_text(record, FIELD_URL_ORIGINAL, text);
    record_add_text(record, FIELD_URL_PATH, name);
    record_add_text(record, FIELD_URL_QUERY, value);
    record_add_text(record, FIELD_USER_AGENT_ORIGINAL, value);
    stage_mask.refine(masks[data[0] & 1], record);
    encode_all(record);
    /* the same texts in a row of sums */
    record_add_text(record, FIELD_TYPE, SLICE_LITERAL("calls"));
    record_add_number(record, FIELD_AGGREGATE_INTERVAL_NS, size);
    record_add_text(record, FIELD_NETWORK_PROTOCOL_NAME, SLICE_LITERAL("http"));
    record_add_text(record, FIELD_PROCESS_COMMAND_LINE, slice_part(text, 0, 1024));
    record_add_text(record, FIELD_CONTAINER_NAME, slice_part(value, 0, 1024));
    record_add_texts(record, FIELD_TAGS, &header->value, 1);
    encode_all(record);
    record_unref(&record);
    return 0;
}
