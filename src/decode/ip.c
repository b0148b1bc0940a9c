/* ip: the fixed headers of IPv4 (RFC 791) and IPv6 (RFC 8200), and their fragments. */
#include "decode/walk.h"

enum { IPV4_BYTES = 20, IPV6_BYTES = 40, IPV6_HOP_BY_HOP = 0, IPV6_JUMBO = 0xc2 };

/* This network header is the innermost so far: what was known of the one around it is forgotten. */
static void begin_network(struct walk *walk, uint8_t version)
{
    struct packet *packet = walk->packet;
    size_t start = offsetof(struct packet, is_fragment);

    memset((uint8_t *)packet + start, 0, sizeof(*packet) - start);
    packet->ip_version = version;
    packet->tunnel_key = walk->tunnel_key;
    packet->tunnel_count = walk->depth;
    packet->network_layer = packet->layer_count;
}

static void set_address(struct address *address, uint8_t family, const uint8_t *bytes)
{
    address->family = family;
    if (family == ADDRESS_IPV4) {
        memcpy(address->bytes, bytes, 4);
        memset(address->bytes + 4, 0, 12);
    } else {
        memcpy(address->bytes, bytes, 16);
    }
}

void walk_ipv4(struct walk *walk)
{
    const uint8_t *at = walk->bytes.data;
    struct packet *packet = walk->packet;
    size_t header_length;
    uint64_t total;
    uint16_t field;

    if (!walk_has(walk, IPV4_BYTES))
        return;
    header_length = (size_t)(at[0] & 15) * 4;
    total = read_u16(at + 2);
    if (!total) /* segmentation offload leaves it to the NIC */
        total = walk->length;
    if (at[0] >> 4 != 4 || header_length < IPV4_BYTES || total < header_length) {
        walk_malformed(walk, at[0] >> 4 != 4 ? "IP version is not 4"
                             : header_length < IPV4_BYTES
                                 ? "IPv4 header length is below 20"
                                 : "IPv4 total length is shorter than the header");
        walk_payload(walk);
        return;
    }
    if (total > walk->length)
        walk_malformed(walk, "IPv4 total length is behind the frame's end");
    walk_limit(walk, total);
    total = walk->length;
    if (!walk_take_part(walk, LAYER_IPV4, 0, header_length))
        return;
    packet->layer_count--;
    begin_network(walk, 4);
    packet->layer_count++;
    packet->ip_length = (uint32_t)total;
    packet->traffic_class = at[1];
    packet->hop_limit = at[8];
    packet->protocol = at[9];
    set_address(&packet->source, ADDRESS_IPV4, at + 12);
    set_address(&packet->destination, ADDRESS_IPV4, at + 16);
    field = read_u16(at + 6);
    if (walk->is_cut)
        walk_payload(walk);
    else if (__builtin_expect(field & 0x3fff, 0))
        walk_fragment(walk, at[9], (uint16_t)header_length,
                      (struct fragment_field){.id = read_u16(at + 4),
                                              .offset = (uint32_t)(field & 0x1fff) * 8,
                                              .has_more = field & 0x2000});
    else
        walk_ip_protocol(walk, at[9]);
}

/* The jumbo payload option (RFC 2675) in the hop-by-hop header at `at`; 0: none. */
static uint32_t find_jumbo_length(struct slice options)
{
    size_t end, offset = 2;

    if (options.length < 8)
        return 0;
    end = ((size_t)options.data[1] + 1) * 8;
    if (end > options.length)
        end = options.length;
    while (offset < end) {
        if (options.data[offset] == 0) { /* Pad1 */
            offset++;
            continue;
        }
        if (options.data[offset] == IPV6_JUMBO && offset + 6 <= end &&
            options.data[offset + 1] == 4)
            return read_u32(options.data + offset + 2);
        if (offset + 2 > end)
            break;
        offset += 2 + (size_t)options.data[offset + 1];
    }
    return 0;
}

/* Bytes behind the fixed header. 0 in the field: a jumbogram, or the NIC is to fill it in. */
static uint64_t payload_length(struct walk *walk, const uint8_t *at)
{
    uint64_t length = read_u16(at + 4), rest = walk->length - IPV6_BYTES;

    if (!length && at[6] == IPV6_HOP_BY_HOP)
        length = find_jumbo_length(slice_part(walk->bytes, IPV6_BYTES, SIZE_MAX));
    if (!length && (rest > UINT16_MAX || walk->frame->segment_count > 1))
        length = rest;
    return length;
}

void walk_ipv6(struct walk *walk)
{
    const uint8_t *at = walk->bytes.data;
    struct packet *packet = walk->packet;
    uint64_t length;

    if (!walk_has(walk, IPV6_BYTES))
        return;
    if (at[0] >> 4 != 6) {
        walk_malformed(walk, "IP version is not 6");
        walk_payload(walk);
        return;
    }
    length = IPV6_BYTES + payload_length(walk, at);
    if (length > walk->length)
        walk_malformed(walk, "IPv6 payload length is behind the frame's end");
    walk_limit(walk, length);
    length = walk->length;
    if (!walk_take(walk, LAYER_IPV6, 0, IPV6_BYTES))
        return;
    packet->layer_count--;
    begin_network(walk, 6);
    packet->layer_count++;
    packet->ip_length = (uint32_t)length;
    packet->traffic_class = (uint8_t)(read_u16(at) >> 4);
    packet->hop_limit = at[7];
    set_address(&packet->source, ADDRESS_IPV6, at + 8);
    set_address(&packet->destination, ADDRESS_IPV6, at + 24);
    walk_ip_protocol(walk, at[6]);
}

void walk_ip(struct walk *walk)
{
    if (!walk_has(walk, 1))
        return;
    if (walk->bytes.data[0] >> 4 == 4) {
        walk_ipv4(walk);
    } else if (walk->bytes.data[0] >> 4 == 6) {
        walk_ipv6(walk);
    } else {
        walk_malformed(walk, "IP version is neither 4 nor 6");
        walk_payload(walk);
    }
}

bool walk_looks_like_ip(struct slice bytes, uint64_t length)
{
    const uint8_t *at = bytes.data;

    if (bytes.length >= IPV4_BYTES && at[0] >> 4 == 4)
        return (at[0] & 15) >= 5 && read_u16(at + 2) >= (at[0] & 15) * 4 &&
               read_u16(at + 2) <= length;
    if (bytes.length >= IPV6_BYTES && at[0] >> 4 == 6)
        return (uint64_t)read_u16(at + 4) + IPV6_BYTES <= length;
    return false;
}

/* The fragment is a packet of its own; the last to come is the whole datagram besides. */
void walk_fragment(struct walk *walk, uint8_t protocol, uint16_t head_length,
                   struct fragment_field field)
{
    struct packet *packet = walk->packet;
    struct fragment fragment = {.source = packet->source,
                                .destination = packet->destination,
                                .scope = walk->tunnel_key,
                                .time_ns = walk->frame->time_ns,
                                .id = field.id,
                                .protocol = protocol,
                                .is_last = !field.has_more,
                                .offset = field.offset,
                                .length = (uint32_t)walk->length,
                                .head_length = head_length,
                                .bytes = walk->bytes};
    struct datagram datagram = {0};
    enum fragment_verdict verdict;

    for (unsigned i = 0; i < packet->vlan_count; i++)
        fragment.scope = walk_hash(fragment.scope, packet->vlans[i]);
    packet->is_fragment = true;
    packet->fragment_id = field.id;
    packet->fragment_offset = field.offset;
    packet->has_more_fragments = field.has_more;
    packet->protocol = protocol;
    verdict = fragments_add(walk->decoder->fragments, &fragment, &datagram);
    if (verdict == FRAGMENT_WHOLE) {
        packet->is_reassembled = true;
        walk->bytes = datagram.bytes;
        walk->length = datagram.length;
        walk_ip_protocol(walk, datagram.protocol);
        return;
    }
    if (datagram.reason)
        walk_malformed(walk, datagram.reason);
    if (field.offset == 0) {
        walk->is_first_fragment = true;
        walk_ip_protocol(walk, protocol);
        if (!packet->has_transport && packet->has_ports)
            walk->decoder->counters[DECODER_FRAGMENT_TINY]++;
        return;
    }
    walk_payload(walk);
    if (datagram.has_start) {
        packet->protocol = datagram.protocol;
        walk_ports(packet, datagram.protocol, datagram.start);
    }
}
