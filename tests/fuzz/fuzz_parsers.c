/*
 * fuzz_parsers: all parsers through track/streams. The input is a list of commands: a byte that
 * says what, a byte of length, and so many bytes; so the input decides about the cuts, gaps and
 * ends too. An input that starts with 'D' is a list of datagrams: a byte that says what, two of
 * length, and the datagram.
 */
#include <stdlib.h>
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct streams_options options = {.head_maximum = 512};
    if (size > 6000 || feeder_init(&feeder, &options) < 0)
        return 0;
    struct slice input = slice_of(data, size), bytes;
    uint8_t command;
    feeder.is_datagram = size && data[0] == 'D';
    input = slice_part(input, feeder.is_datagram, SIZE_MAX);
    feeder_open(&feeder);
    while (take_command(&input, &command, &bytes))
        play_command(command, bytes);
    feeder_close(&feeder);
    if (!feeder_is_balanced(&feeder))
        abort();
    free(feeder_describe(&feeder));
    feeder_done(&feeder);
    return 0;
}
