/* walk: what all headers have in common: running short, running full, tunnels. */
#include "decode/walk.h"

void walk_malformed(struct walk *walk, const char *reason)
{
    if (walk->packet->state == PACKET_MALFORMED)
        return;
    walk->packet->state = PACKET_MALFORMED;
    walk->packet->reason = reason;
}

void walk_short(struct walk *walk, size_t need)
{
    if (walk->length < need && !walk->is_first_fragment)
        walk_malformed(walk, "a header is longer than what is left");
    else if (walk->packet->state == PACKET_WHOLE && !walk->is_first_fragment)
        walk->packet->state = PACKET_CUT;
    walk_payload(walk);
}

void walk_full(struct walk *walk)
{
    walk->decoder->counters[DECODER_LAYERS_LIMIT]++;
    walk_malformed(walk, "more headers than are followed");
    walk_payload(walk);
}

void walk_payload(struct walk *walk)
{
    walk->packet->payload = walk->bytes;
    walk->packet->payload_length = (uint32_t)walk->length;
}

const uint8_t *walk_take_part(struct walk *walk, enum packet_layer_kind kind, uint32_t detail,
                              size_t length)
{
    size_t captured = length < walk->bytes.length ? length : walk->bytes.length;
    size_t missing = length - captured;
    const uint8_t *header;

    if (walk->length < length) {
        walk_short(walk, length);
        return NULL;
    }
    header = walk_take(walk, kind, detail, captured);
    if (!header)
        return NULL;
    walk->is_cut = missing > 0;
    if (walk->is_cut) {
        walk->length -= missing;
        if (walk->packet->state == PACKET_WHOLE && !walk->is_first_fragment)
            walk->packet->state = PACKET_CUT;
    }
    return header;
}

/* One step of a mixing hash (the finalizer of SplitMix64). */
uint64_t walk_hash(uint64_t hash, uint64_t value)
{
    hash += value + UINT64_C(0x9e3779b97f4a7c15);
    hash = (hash ^ hash >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ hash >> 27) * UINT64_C(0x94d049bb133111eb);
    return hash ^ hash >> 31;
}

static uint64_t hash_address(const struct address *address)
{
    uint64_t halves[2];

    memcpy(halves, address->bytes, sizeof(halves));
    return walk_hash(walk_hash(address->family, halves[0]), halves[1]);
}

bool walk_enter_tunnel(struct walk *walk, enum packet_layer_kind kind, uint64_t id,
                       bool with_addresses)
{
    struct packet *packet = walk->packet;
    uint64_t key = walk_hash(walk_hash(walk->tunnel_key, kind), id);

    if (walk->decoder->options.without_tunnels || walk->is_first_fragment)
        return false;
    if (walk->depth >= PACKET_TUNNELS_MAXIMUM) {
        walk->decoder->counters[DECODER_TUNNELS_LIMIT]++;
        walk_malformed(walk, "more tunnels in each other than are followed");
        return false;
    }
    /* A sum, so that both directions give the same. */
    if (with_addresses)
        key = walk_hash(key, hash_address(&packet->source) + hash_address(&packet->destination));
    packet->tunnels[walk->depth] = (struct packet_tunnel){
        .kind = (uint8_t)kind,
        .id = id,
        .source = packet->source,
        .destination = packet->destination,
    };
    walk->tunnel_key = key ? key : 1;
    walk->depth++;
    return true;
}
