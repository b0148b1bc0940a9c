/*
 * flow_key: what makes packets one flow, and which end opened it. A flow's hash is the same for
 * both directions.
 */
#include "track/flow.h"

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
    return hash ^ hash >> 29;
}

static uint64_t hash_end(const struct endpoint *end, uint64_t seed)
{
    uint64_t words[2];
    uint32_t word;
    if (end->address.family == ADDRESS_IPV4) {
        memcpy(&word, end->address.bytes, sizeof(word));
        return mix(seed, (uint64_t)end->port << 32 | word);
    }
    memcpy(words, end->address.bytes, sizeof(words));
    return mix(mix(mix(seed, words[0]), words[1]), (uint64_t)end->address.family << 16 | end->port);
}

/* The same in both directions. */
uint64_t flow_key_hash(const struct flow_key *key, uint64_t seed)
{
    uint64_t ends = hash_end(&key->ends[0], seed) + hash_end(&key->ends[1], seed);
    uint64_t hash = mix(mix(seed, ends), key->tunnel_key + key->protocol);
    return hash ? hash : 1;
}

static bool is_same_end(const struct endpoint *a, const struct endpoint *b)
{
    uint64_t one[2], other[2];
    memcpy(one, a->address.bytes, sizeof(one));
    memcpy(other, b->address.bytes, sizeof(other));
    return one[0] == other[0] && one[1] == other[1] && a->port == b->port &&
           a->address.family == b->address.family;
}

int flow_key_side(const struct flow_key *own, const struct flow_key *key)
{
    if (own->protocol != key->protocol || own->tunnel_key != key->tunnel_key ||
        own->has_ports != key->has_ports || own->is_one_way != key->is_one_way)
        return -1;
    if (is_same_end(&own->ends[0], &key->ends[0]) && is_same_end(&own->ends[1], &key->ends[1]))
        return 0;
    if (!own->is_one_way && is_same_end(&own->ends[0], &key->ends[1]) &&
        is_same_end(&own->ends[1], &key->ends[0]))
        return 1;
    return -1;
}

void flow_key_make(const struct packet *packet, struct flow_key *ret_key)
{
    *ret_key = (struct flow_key){
        .ends = {{packet->source, packet->has_ports ? packet->source_port : 0},
                 {packet->destination, packet->has_ports ? packet->destination_port : 0}},
        .tunnel_key = packet->tunnel_key,
        .protocol = packet->protocol,
        .has_ports = packet->has_ports,
        .is_one_way = packet->has_ports && packet->icmp_is_one_way,
    };
}

static bool is_broadcast(const struct address *address)
{
    static const uint8_t ones[4] = {255, 255, 255, 255};
    return address->family == ADDRESS_IPV4 && memcmp(address->bytes, ones, sizeof(ones)) == 0;
}

/*
 * Does the packet that is seen first come from the end that was connected to? A SYN says no. Else
 * the end with a service's port is the server; with two such ports the sender of a SYN-ACK, else
 * the lower port. A SYN-ACK from any other port may be a scan, and tells nothing.
 */
bool flow_key_is_from_server(const struct packet *packet)
{
    bool is_source = ports_is_service(packet->protocol, packet->source_port);
    bool is_destination = ports_is_service(packet->protocol, packet->destination_port);
    if (!packet->has_ports || !is_source || is_broadcast(&packet->destination))
        return false;
    if (packet->protocol == PROTOCOL_UDP)
        return !is_destination;
    if (!flow_is_tcp(packet) || (packet->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
        return false;
    return !is_destination || (packet->tcp_flags & TCP_SYN) ||
           packet->source_port < packet->destination_port;
}
