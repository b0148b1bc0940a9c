/* decoder: Ethernet II, IPv4 (RFC 791) without fragments, TCP (RFC 9293) and UDP (RFC 768). */
#include "decode/decoder.h"
#include <errno.h>
#include "base/allocate.h"

enum { LINKTYPE_ETHERNET = 1, ETHERNET_BYTES = 14, ETHERTYPE_IPV4 = 0x0800 };

struct decoder {
    struct decoder_options options;
};

int decoder_new(const struct decoder_options *options, struct decoder **ret_decoder)
{
    struct decoder *decoder = allocate_zeroed(sizeof(*decoder));

    if (!decoder)
        return -ENOMEM;
    decoder->options = *options;
    *ret_decoder = decoder;
    return 0;
}

void decoder_free(struct decoder **decoder)
{
    deallocate(*decoder);
    *decoder = NULL;
}

bool decoder_has_link_type(uint32_t link_type)
{
    return link_type == LINKTYPE_ETHERNET;
}

static uint16_t read_16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t read_32(const uint8_t *at)
{
    return (uint32_t)read_16(at) << 16 | read_16(at + 2);
}

static struct slice add_layer(struct packet *packet, uint8_t kind, struct slice bytes,
                              size_t length)
{
    struct packet_layer *layer = &packet->layers[packet->layer_count++];

    layer->kind = kind;
    layer->header = slice_part(bytes, 0, length);
    return slice_part(bytes, length, SIZE_MAX);
}

static void decode_transport(struct packet *packet, struct slice bytes, uint32_t length)
{
    size_t header = packet->protocol == PROTOCOL_UDP ? 8 : 20;

    if (packet->protocol != PROTOCOL_TCP && packet->protocol != PROTOCOL_UDP)
        return;
    packet->state = PACKET_CUT;
    if (bytes.length < header)
        return;
    if (packet->protocol == PROTOCOL_TCP)
        header = (size_t)(bytes.data[12] >> 4) * 4;
    if (header < 8 || header > bytes.length || header > length)
        return;
    packet->state = PACKET_WHOLE;
    packet->has_transport = true;
    packet->source_port = read_16(bytes.data);
    packet->destination_port = read_16(bytes.data + 2);
    if (packet->protocol == PROTOCOL_TCP) {
        packet->tcp_sequence = read_32(bytes.data + 4);
        packet->tcp_acknowledgment = read_32(bytes.data + 8);
        packet->tcp_flags = (uint16_t)(read_16(bytes.data + 12) & 0x1ff);
        packet->tcp_window = read_16(bytes.data + 14);
        packet->tcp_options = slice_part(bytes, 20, header - 20);
    }
    packet->payload =
        add_layer(packet, packet->protocol == PROTOCOL_TCP ? LAYER_TCP : LAYER_UDP, bytes, header);
    packet->payload_length = length - (uint32_t)header;
}

static void decode_ipv4(struct packet *packet, struct slice bytes)
{
    size_t header;

    packet->state = PACKET_CUT;
    if (bytes.length < 20)
        return;
    header = (size_t)(bytes.data[0] & 15) * 4;
    packet->ip_length = read_16(bytes.data + 2);
    if (header < 20 || header > packet->ip_length || header > bytes.length)
        return;
    packet->state = PACKET_WHOLE;
    packet->ip_version = 4;
    packet->hop_limit = bytes.data[8];
    packet->protocol = bytes.data[9];
    packet->source.family = packet->destination.family = ADDRESS_IPV4;
    memcpy(packet->source.bytes, bytes.data + 12, 4);
    memcpy(packet->destination.bytes, bytes.data + 16, 4);
    bytes = slice_part(bytes, 0, packet->ip_length);
    packet->is_fragment = read_16(bytes.data + 6) & 0x3fff;
    bytes = add_layer(packet, LAYER_IPV4, bytes, header);
    if (!packet->is_fragment)
        decode_transport(packet, bytes, packet->ip_length - (uint32_t)header);
}

void decoder_decode(struct decoder *decoder, const struct frame *frame, struct packet *ret_packet)
{
    struct slice bytes = frame->bytes;

    (void)decoder;
    memset(ret_packet, 0, sizeof(*ret_packet));
    ret_packet->frame = frame;
    if (frame->link_type != LINKTYPE_ETHERNET)
        return;
    if (bytes.length < ETHERNET_BYTES) {
        ret_packet->state = PACKET_CUT;
        return;
    }
    bytes = add_layer(ret_packet, LAYER_ETHERNET, bytes, ETHERNET_BYTES);
    if (read_16(frame->bytes.data + 12) == ETHERTYPE_IPV4)
        decode_ipv4(ret_packet, bytes);
}
