/*
 * fuzz_parsers: all parsers through track/streams. The input is a list of commands: a byte that
 * says what, a byte of length, and so many bytes; so the input decides about the cuts, gaps and
 * ends too. An input that starts with 'D' is a list of datagrams: a byte that says what, two of
 * length, and the datagram. Where HTTP/1 came out, the same is played to streams that remember
 * nothing: the records must be the same, byte for byte.
 */
#include <stdlib.h>
#include "encode/encoder.h"
#include "refine/mask.h"
#include "tests/lib/feeder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct feeder feeder;

static void play_command(uint8_t command, struct slice bytes)
{
    enum direction direction = command & 1 ? DIRECTION_B_TO_A : DIRECTION_A_TO_B;
    uint8_t *copy = malloc(bytes.length ? bytes.length : 1);
    if (!copy)
        return;
    if (bytes.length)
        memcpy(copy, bytes.data, bytes.length);
    struct stream_data event = {.connection = 1,
                                .direction = direction,
                                .time_ns = feeder.time_ns += 10,
                                .position = feeder.positions[direction],
                                .messages_before = command >> 4,
                                .has_message_count = command & 4,
                                .starts_message = command & 8,
                                .is_orphan_response = (command & 0x88) == 0x88,
                                .bytes = slice_of(copy, bytes.length)};
    if (command & 2) /* what the length says is missing or passed */
        feeder.positions[direction] += bytes.length;
    event.position = feeder.positions[direction];
    event.end_position = event.position + bytes.length;
    feeder.positions[direction] = event.end_position;
    feeder.listener.on_data(feeder.listener.context, &event);
    free(copy);
}

/* The next command of the input, which loses it; false: there is none. */
static bool take_command(struct slice *input, uint8_t *ret_command, struct slice *ret_bytes)
{
    size_t header = feeder.is_datagram ? 3 : 2;
    if (input->length < header)
        return false;
    size_t length = input->data[1];
    if (feeder.is_datagram)
        length = length << 8 | input->data[2];
    *ret_command = input->data[0];
    *ret_bytes = slice_part(*input, header, length);
    *input = slice_part(*input, header + ret_bytes->length, SIZE_MAX);
    return true;
}

static void play(struct slice input, bool is_forgetful)
{
    struct streams_options options = {.head_maximum = 512, .is_forgetful = is_forgetful};
    struct slice bytes;
    uint8_t command;
    if (feeder_init(&feeder, &options) < 0)
        abort();
    feeder.is_datagram = input.length && input.data[0] == 'D';
    input = slice_part(input, feeder.is_datagram, SIZE_MAX);
    feeder_open(&feeder);
    while (take_command(&input, &command, &bytes))
        play_command(command, bytes);
    feeder_close(&feeder);
    if (!feeder_is_balanced(&feeder))
        abort();
    free(feeder_describe(&feeder));
}

static bool has_http(void)
{
    const struct value *type =
        feeder.record_count ? record_find_const(feeder.records[0], FIELD_TYPE) : NULL;
    return type && slice_is_equal(type->text, SLICE_LITERAL("http"));
}

/* All records, masked, as lines; the ids are made equal. */
static void write_records(struct buffer *text)
{
    static const struct encoder_options options = {0};
    struct mask_options mask_options = {0};
    void *mask = NULL;
    if (mask_new(&mask_options, &mask) < 0)
        abort();
    buffer_init(text, 64 << 20);
    for (size_t i = 0; i < feeder.record_count; i++) {
        struct value *id = record_find(feeder.records[i], FIELD_ID);
        if (id)
            id->number = 1;
        stage_mask.refine(mask, feeder.records[i]);
        if (encoder_json.encode(feeder.records[i], &options, text) < 0)
            abort();
    }
    mask_free(&mask);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer text, plain;
    if (size > 6000)
        return 0;
    play(slice_of(data, size), false);
    if (has_http()) {
        write_records(&text);
        feeder_done(&feeder);
        play(slice_of(data, size), true);
        write_records(&plain);
        if (text.length != plain.length || memcmp(text.data, plain.data, plain.length) != 0)
            abort();
        buffer_done(&text);
        buffer_done(&plain);
    }
    feeder_done(&feeder);
    return 0;
}
