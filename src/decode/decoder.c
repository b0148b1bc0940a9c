/* decoder: one frame in, one packet out; what is kept between frames is fragments.c's. */
#include "decode/decoder.h"
#include <errno.h>
#include "base/allocate.h"
#include "decode/walk.h"

enum {
    MEMORY_MAXIMUM = 16 << 20, /* bytes of unfinished datagrams */
    DATAGRAMS_MAXIMUM = 4096,
};
#define TIMEOUT_NS UINT64_C(30000000000) /* as Linux does for IPv4 */

const char *const decoder_counter_names[DECODER_COUNTER_COUNT] = {
#define COUNTER(identifier, name, meaning) name,
#include "decode/counters.def"
#undef COUNTER
};

int decoder_new(const struct decoder_options *options, struct decoder **ret_decoder)
{
    struct decoder *decoder = allocate_zeroed(sizeof(*decoder));
    int result;

    if (!decoder)
        return -ENOMEM;
    if (options)
        decoder->options = *options;
    if (!decoder->options.fragment_memory_maximum)
        decoder->options.fragment_memory_maximum = MEMORY_MAXIMUM;
    if (!decoder->options.fragment_datagrams_maximum)
        decoder->options.fragment_datagrams_maximum = DATAGRAMS_MAXIMUM;
    if (!decoder->options.fragment_timeout_ns)
        decoder->options.fragment_timeout_ns = TIMEOUT_NS;
    result = fragments_new(&decoder->options, decoder->counters, &decoder->fragments);
    if (result < 0) {
        decoder_free(&decoder);
        return result;
    }
    *ret_decoder = decoder;
    return 0;
}

void decoder_free(struct decoder **decoder)
{
    if (!decoder || !*decoder)
        return;
    fragments_free(&(*decoder)->fragments);
    deallocate(*decoder);
    *decoder = NULL;
}

const uint64_t *decoder_counters(const struct decoder *decoder)
{
    return decoder->counters;
}

size_t decoder_waiting(const struct decoder *decoder, size_t *ret_bytes)
{
    return fragments_waiting(decoder->fragments, ret_bytes);
}

/* The tag that the NIC took off stood in front of the EtherType; it comes first. */
static void enter_stripped_tag(struct packet *packet, const struct frame *frame)
{
    uint32_t tag = (uint32_t)frame->stripped_vlan_tpid << 16 | frame->stripped_vlan_tci;

    packet->layers[packet->layer_count++] =
        (struct packet_layer){.kind = LAYER_VLAN, .detail = tag};
    if (frame->stripped_vlan_tci & 0xfff)
        packet->vlans[packet->vlan_count++] = frame->stripped_vlan_tci & 0xfff;
}

static void walk_frame(struct decoder *decoder, const struct frame *frame, struct packet *packet)
{
    struct walk walk = {.decoder = decoder,
                        .frame = frame,
                        .packet = packet,
                        .bytes = frame->bytes,
                        .length = frame->length};

    if (walk.length < walk.bytes.length)
        walk.length = walk.bytes.length;
    if (frame->has_stripped_vlan)
        enter_stripped_tag(packet, frame);
    walk_link(&walk, frame->link_type);
}

void decoder_decode(struct decoder *decoder, const struct frame *frame, struct packet *ret_packet)
{
    struct packet *packet = ret_packet;

    /* Layers and tunnels need no zeros: their counts say how many there are. */
    memset(packet, 0, offsetof(struct packet, layers));
    memset((uint8_t *)packet + offsetof(struct packet, layer_count), 0,
           sizeof(*packet) - offsetof(struct packet, layer_count));
    fragments_forget(decoder->fragments);
    packet->frame = frame;
    packet->direction = (uint8_t)frame->direction;
    decoder->counters[DECODER_FRAMES]++;
    if (decoder->options.is_thorough || !usual_decode(frame, packet))
        walk_frame(decoder, frame, packet);
    if (packet->state == PACKET_CUT)
        decoder->counters[DECODER_CUT]++;
    else if (packet->state == PACKET_MALFORMED)
        decoder->counters[DECODER_MALFORMED]++;
}
