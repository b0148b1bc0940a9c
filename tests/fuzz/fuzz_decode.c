/*
 * fuzz_decode: frames of all link types through one decoder, and each packet as a record. The input
 * is a list of frames: link type (an index), time step and flags, captured share, two bytes of
 * length, bytes. Fragments of several frames meet in the decoder's small limits. The short way for
 * usual frames says what the walk says.
 */
#include <stdlib.h>
#include "decode/decoder.h"
#include "decode/packet_record.h"
#include "tests/lib/packet_alike.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MEMORY_MAXIMUM = 8192, FRAMES_MAXIMUM = 64 };

static const uint32_t link_types[] = {1,   0,   9,   12,  14,  50,  51,  101, 104, 105, 108,
                                      113, 119, 127, 163, 166, 192, 228, 229, 239, 276, 147};
static struct packet packet, thorough_packet;
static struct decoder *thorough; /* it takes no short ways */

static void check(struct slice part, const struct frame *frame)
{
    const struct slice whole = frame->bytes;
    bool is_inside = !part.length || (part.data >= whole.data &&
                                      part.data + part.length <= whole.data + whole.length);

    if (!is_inside && !packet.is_reassembled && !packet.is_fragment)
        abort();
}

static void play(struct decoder *decoder, const struct frame *frame)
{
    struct packet_record_options options = {.source = "pcap",
                                            .has_client = true,
                                            .has_window_scale = true,
                                            .window_scale = 14,
                                            .community_id = SLICE_LITERAL("1:x")};
    struct record *record;
    size_t bytes;

    decoder_decode(decoder, frame, &packet);
    decoder_decode(thorough, frame, &thorough_packet);
    if (!packet.is_reassembled && !packet_is_alike(&packet, &thorough_packet))
        abort();
    decoder_waiting(decoder, &bytes);
    if (packet.layer_count > PACKET_LAYERS_MAXIMUM || bytes > MEMORY_MAXIMUM ||
        packet.payload.length > packet.payload_length ||
        packet.tunnel_count > PACKET_TUNNELS_MAXIMUM)
        abort();
    check(packet.payload, frame);
    for (unsigned i = 0; i < packet.layer_count; i++)
        check(packet.layers[i].header, frame);
    record = packet_record_make(&packet, &options);
    record_unref(&record);
}

/* One frame of the input, in memory of exactly its size. */
static struct slice take(struct slice input, uint64_t *time_ns, struct decoder *decoder)
{
    uint8_t kind = input.data[0], flags = input.data[1];
    struct slice bytes = slice_part(input, 5, (size_t)(input.data[3] << 8 | input.data[4]) % 2048);
    size_t captured = flags & 1 ? bytes.length * input.data[2] / 256 : bytes.length;
    uint8_t *copy = malloc(captured + !captured);
    struct frame frame = {.number = 1,
                          .link_type = link_types[kind % (sizeof(link_types) / 4)],
                          .length = (uint32_t)bytes.length,
                          .segment_count = flags & 2 ? 4 : 0,
                          .has_stripped_vlan = flags & 4,
                          .stripped_vlan_tpid = 0x8100,
                          .stripped_vlan_tci = kind};

    if (!copy)
        abort();
    if (captured)
        memcpy(copy, bytes.data, captured);
    frame.bytes = slice_of(copy, captured);
    *time_ns += (uint64_t)(flags >> 3) * 1000000000;
    frame.time_ns = *time_ns;
    play(decoder, &frame);
    free(copy);
    return slice_part(input, 5 + bytes.length, SIZE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct decoder_options options = {.fragment_memory_maximum = MEMORY_MAXIMUM,
                                      .fragment_datagrams_maximum = 8};
    struct slice input = slice_of(data, size);
    struct decoder *decoder = NULL;
    uint64_t time_ns = 1;

    if (decoder_new(&options, &decoder) < 0)
        abort();
    options.is_thorough = true;
    if (decoder_new(&options, &thorough) < 0)
        abort();
    for (unsigned i = 0; i < FRAMES_MAXIMUM && input.length >= 5; i++)
        input = take(input, &time_ns, decoder);
    decoder_free(&decoder);
    decoder_free(&thorough);
    return 0;
}
