/* fragments: see the header. A datagram is a sorted list of pieces without overlaps. */
#include "decode/fragments.h"
#include <errno.h>
#include "base/allocate.h"

enum {
    DATAGRAM_MAXIMUM = 65535, /* header and payload */
    PIECES_MAXIMUM = 2048,    /* of one datagram: 64 KiB over the smallest MTU of IPv4 and more */
    UNIT = 8,                 /* offsets count units of so many bytes */
};

struct piece {
    struct piece *next;
    uint32_t offset;
    uint32_t length;   /* on the wire */
    uint32_t captured; /* <= length */
    uint8_t bytes[];
};

struct waiting {
    struct waiting *next_in_chain;
    struct waiting *older, *newer; /* by the first fragment's arrival */
    uint64_t hash, scope, first_time_ns;
    struct address source, destination;
    uint32_t id;
    uint8_t protocol;
    bool is_given_up; /* its fragments are refused until its time is over */
    bool has_end, has_start;
    uint8_t first_protocol; /* what the first fragment says */
    uint8_t start[4];
    uint32_t end;      /* with has_end: bytes of the whole payload */
    uint32_t furthest; /* end of the piece that ends last */
    uint32_t received; /* bytes in pieces */
    uint32_t piece_count;
    struct piece *pieces, *last_piece;
};

/* A datagram that was given out; dies at fragments_forget. */
struct finished {
    struct finished *next;
    uint8_t bytes[];
};

struct fragments {
    size_t memory_maximum, memory;
    uint32_t datagrams_maximum, count;
    uint64_t timeout_ns, hash_seed;
    uint64_t *counters;
    struct waiting *oldest, *newest;
    struct finished *finished;
    size_t chain_mask;
    struct waiting *chains[];
};

int fragments_new(const struct decoder_options *options, uint64_t *counters,
                  struct fragments **ret_fragments)
{
    struct fragments *fragments;
    size_t chains = 16;

    while (chains < options->fragment_datagrams_maximum && chains < 1 << 16)
        chains *= 2;
    fragments = allocate_zeroed(sizeof(*fragments) + chains * sizeof(fragments->chains[0]));
    if (!fragments)
        return -ENOMEM;
    fragments->memory_maximum = options->fragment_memory_maximum;
    fragments->datagrams_maximum = options->fragment_datagrams_maximum;
    fragments->timeout_ns = options->fragment_timeout_ns;
    fragments->hash_seed = options->hash_seed;
    fragments->counters = counters;
    fragments->chain_mask = chains - 1;
    *ret_fragments = fragments;
    return 0;
}

static void free_pieces(struct fragments *fragments, struct waiting *waiting)
{
    for (struct piece *next, *piece = waiting->pieces; piece; piece = next) {
        next = piece->next;
        fragments->memory -= sizeof(*piece) + piece->captured;
        deallocate(piece);
    }
    waiting->pieces = waiting->last_piece = NULL;
    waiting->piece_count = 0;
}

static void remove_waiting(struct fragments *fragments, struct waiting *waiting)
{
    struct waiting **link = &fragments->chains[waiting->hash & fragments->chain_mask];

    while (*link != waiting)
        link = &(*link)->next_in_chain;
    *link = waiting->next_in_chain;
    *(waiting->older ? &waiting->older->newer : &fragments->oldest) = waiting->newer;
    *(waiting->newer ? &waiting->newer->older : &fragments->newest) = waiting->older;
    free_pieces(fragments, waiting);
    fragments->memory -= sizeof(*waiting);
    fragments->count--;
    deallocate(waiting);
}

void fragments_forget(struct fragments *fragments)
{
    while (fragments->finished) {
        struct finished *finished = fragments->finished;

        fragments->finished = finished->next;
        deallocate(finished);
    }
}

void fragments_free(struct fragments **fragments)
{
    if (!fragments || !*fragments)
        return;
    while ((*fragments)->oldest)
        remove_waiting(*fragments, (*fragments)->oldest);
    fragments_forget(*fragments);
    deallocate(*fragments);
    *fragments = NULL;
}

size_t fragments_waiting(const struct fragments *fragments, size_t *ret_bytes)
{
    if (ret_bytes)
        *ret_bytes = fragments->memory;
    return fragments->count;
}

/* Makes room by giving up what has waited longest; `spared` stays. False: there is no room. */
static bool make_room(struct fragments *fragments, size_t bytes, const struct waiting *spared)
{
    while (fragments->memory + bytes > fragments->memory_maximum) {
        struct waiting *victim = fragments->oldest;

        if (victim == spared && victim)
            victim = victim->newer;
        if (!victim)
            return false;
        if (!victim->is_given_up)
            fragments->counters[DECODER_FRAGMENT_MEMORY_LIMIT]++;
        remove_waiting(fragments, victim);
    }
    return true;
}

/* Packets need not be in the order of time; only what is older than the timeout goes. */
static void expire(struct fragments *fragments, uint64_t time_ns)
{
    struct waiting *oldest;

    while ((oldest = fragments->oldest) && time_ns > oldest->first_time_ns &&
           time_ns - oldest->first_time_ns > fragments->timeout_ns) {
        if (!oldest->is_given_up)
            fragments->counters[DECODER_FRAGMENT_EXPIRED]++;
        remove_waiting(fragments, oldest);
    }
}

/* A step of a mixing hash over words (the finalizer of SplitMix64). */
static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) + UINT64_C(0x9e3779b97f4a7c15);
    hash = (hash ^ hash >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ hash >> 27) * UINT64_C(0x94d049bb133111eb);
    return hash ^ hash >> 31;
}

static uint64_t hash_of(const struct fragments *fragments, const struct fragment *fragment)
{
    uint64_t words[4], hash = mix(fragments->hash_seed, fragment->scope);

    memcpy(words, fragment->source.bytes, 16);
    memcpy(words + 2, fragment->destination.bytes, 16);
    for (size_t i = 0; i < 4; i++)
        hash = mix(hash, words[i]);
    return mix(hash, (uint64_t)fragment->source.family << 32 | fragment->id);
}

/* IPv6 identifies without the protocol, which only the first fragment is sure of. */
static bool is_of(const struct waiting *waiting, const struct fragment *fragment)
{
    return waiting->id == fragment->id && waiting->scope == fragment->scope &&
           (fragment->source.family == ADDRESS_IPV6 || waiting->protocol == fragment->protocol) &&
           address_is_equal(&waiting->source, &fragment->source) &&
           address_is_equal(&waiting->destination, &fragment->destination);
}

static struct waiting *add_waiting(struct fragments *fragments, const struct fragment *fragment,
                                   uint64_t hash)
{
    struct waiting **chain = &fragments->chains[hash & fragments->chain_mask];
    struct waiting *waiting;

    while (fragments->count >= fragments->datagrams_maximum) {
        if (!fragments->oldest->is_given_up)
            fragments->counters[DECODER_FRAGMENT_DATAGRAMS_LIMIT]++;
        remove_waiting(fragments, fragments->oldest);
    }
    if (!make_room(fragments, sizeof(*waiting), NULL)) {
        fragments->counters[DECODER_FRAGMENT_MEMORY_LIMIT]++;
        return NULL;
    }
    waiting = allocate_zeroed(sizeof(*waiting));
    if (!waiting) {
        fragments->counters[DECODER_FRAGMENT_NO_MEMORY]++;
        return NULL;
    }
    waiting->hash = hash;
    waiting->scope = fragment->scope;
    waiting->first_time_ns = fragment->time_ns;
    waiting->source = fragment->source;
    waiting->destination = fragment->destination;
    waiting->id = fragment->id;
    waiting->protocol = waiting->first_protocol = fragment->protocol;
    waiting->next_in_chain = *chain;
    *chain = waiting;
    waiting->older = fragments->newest;
    *(fragments->newest ? &fragments->newest->newer : &fragments->oldest) = waiting;
    fragments->newest = waiting;
    fragments->memory += sizeof(*waiting);
    fragments->count++;
    return waiting;
}

static struct waiting *find_waiting(struct fragments *fragments, const struct fragment *fragment)
{
    uint64_t hash = hash_of(fragments, fragment);
    struct waiting *waiting = fragments->chains[hash & fragments->chain_mask];

    while (waiting && !(waiting->hash == hash && is_of(waiting, fragment)))
        waiting = waiting->next_in_chain;
    return waiting ? waiting : add_waiting(fragments, fragment, hash);
}

static enum fragment_verdict give_up(struct fragments *fragments, struct waiting *waiting,
                                     enum decoder_counter why)
{
    fragments->counters[why]++;
    free_pieces(fragments, waiting);
    waiting->is_given_up = true;
    return FRAGMENT_DROPPED;
}

/* A piece of the fragment, from `offset` of the datagram on, behind `before` (NULL: first). */
static enum fragment_verdict insert_piece(struct fragments *fragments, struct waiting *waiting,
                                          struct piece *before, const struct fragment *fragment,
                                          uint32_t offset, uint32_t length)
{
    struct slice bytes = slice_part(fragment->bytes, offset - fragment->offset, length);
    struct piece *piece;

    if (waiting->piece_count >= PIECES_MAXIMUM)
        return give_up(fragments, waiting, DECODER_FRAGMENT_PIECES_LIMIT);
    if (!make_room(fragments, sizeof(*piece) + bytes.length, waiting))
        return give_up(fragments, waiting, DECODER_FRAGMENT_MEMORY_LIMIT);
    piece = allocate(sizeof(*piece) + bytes.length);
    if (!piece)
        return give_up(fragments, waiting, DECODER_FRAGMENT_NO_MEMORY);
    *piece = (struct piece){.next = before ? before->next : waiting->pieces,
                            .offset = offset,
                            .length = length,
                            .captured = (uint32_t)bytes.length};
    if (bytes.length)
        memcpy(piece->bytes, bytes.data, bytes.length);
    *(before ? &before->next : &waiting->pieces) = piece;
    if (!piece->next)
        waiting->last_piece = piece;
    waiting->piece_count++;
    waiting->received += length;
    fragments->memory += sizeof(*piece) + bytes.length;
    return FRAGMENT_KEPT;
}

/* IPv6: only a fragment that comes again just as it was is no overlap. */
static bool is_same_piece(const struct piece *piece, const struct fragment *fragment)
{
    return piece->offset == fragment->offset && piece->length == fragment->length &&
           slice_is_equal(slice_of(piece->bytes, piece->captured), fragment->bytes);
}

/* Puts what is new of the fragment into the holes between the pieces. */
static enum fragment_verdict fill_holes(struct fragments *fragments, struct waiting *waiting,
                                        const struct fragment *fragment)
{
    uint32_t at = fragment->offset, end = at + fragment->length, added = 0;
    struct piece *before = NULL, *after = waiting->pieces;
    enum fragment_verdict verdict;

    /* In order of arrival, mostly: behind all others. */
    if (waiting->last_piece && waiting->last_piece->offset + waiting->last_piece->length <= at) {
        before = waiting->last_piece;
        after = NULL;
    }
    while (at < end) {
        uint32_t hole_end = after && after->offset < end ? after->offset : end;

        if (at < hole_end) {
            verdict = insert_piece(fragments, waiting, before, fragment, at, hole_end - at);
            if (verdict != FRAGMENT_KEPT)
                return verdict;
            added += hole_end - at;
            at = hole_end;
        }
        if (after) {
            if (after->offset < end && after->offset + after->length > at)
                at = after->offset + after->length;
            before = after;
            after = after->next;
        }
    }
    if (added == fragment->length)
        return FRAGMENT_KEPT;
    fragments->counters[added ? DECODER_FRAGMENT_OVERLAP : DECODER_FRAGMENT_DUPLICATE]++;
    return added ? FRAGMENT_KEPT : FRAGMENT_DROPPED;
}

/* Before IPv6 fills a hole: does the fragment touch what is there? */
static const struct piece *find_overlap(const struct waiting *waiting,
                                        const struct fragment *fragment)
{
    const struct piece *piece = waiting->pieces;

    if (fragment->offset >= waiting->furthest)
        return NULL;
    while (piece && piece->offset + piece->length <= fragment->offset)
        piece = piece->next;
    return piece && piece->offset < fragment->offset + fragment->length ? piece : NULL;
}

static enum fragment_verdict give_out(struct fragments *fragments, struct waiting *waiting,
                                      struct datagram *ret_datagram)
{
    struct finished *finished = allocate(sizeof(*finished) + waiting->received);
    size_t length = 0;

    if (!finished)
        return give_up(fragments, waiting, DECODER_FRAGMENT_NO_MEMORY);
    finished->next = fragments->finished;
    fragments->finished = finished;
    for (const struct piece *piece = waiting->pieces; piece; piece = piece->next) {
        memcpy(finished->bytes + length, piece->bytes, piece->captured);
        length += piece->captured;
        if (piece->captured < piece->length)
            break;
    }
    ret_datagram->bytes = slice_of(finished->bytes, length);
    ret_datagram->length = waiting->end;
    fragments->counters[DECODER_REASSEMBLED]++;
    remove_waiting(fragments, waiting);
    return FRAGMENT_WHOLE;
}

/* What is wrong with the fragment by itself; it is not kept then. */
static bool is_unusable(struct fragments *fragments, struct fragment *fragment,
                        struct datagram *ret_datagram)
{
    if (!fragment->length) {
        fragments->counters[DECODER_FRAGMENT_EMPTY]++;
        ret_datagram->reason = "a fragment without a byte";
        return true;
    }
    if (fragment->head_length + fragment->offset + fragment->length > DATAGRAM_MAXIMUM) {
        fragments->counters[DECODER_FRAGMENT_TOO_LONG]++;
        ret_datagram->reason = "a fragment ends behind the longest datagram";
        return true;
    }
    if (fragment->is_last || fragment->length % UNIT == 0)
        return false;
    fragments->counters[DECODER_FRAGMENT_MISALIGNED]++;
    ret_datagram->reason = "a fragment's length is no multiple of 8";
    if (fragment->source.family == ADDRESS_IPV6 || fragment->length < UNIT)
        return true; /* RFC 8200 §4.5: discarded */
    fragment->length -= fragment->length % UNIT;
    fragment->bytes = slice_part(fragment->bytes, 0, fragment->length);
    return false;
}

/* The end that the fragment tells or denies; as Linux does, who contradicts ends the datagram. */
static bool contradicts_end(struct waiting *waiting, const struct fragment *fragment)
{
    uint32_t end = fragment->offset + fragment->length;

    if (waiting->has_end && (fragment->is_last ? end != waiting->end : end > waiting->end))
        return true;
    if (fragment->is_last && end < waiting->furthest)
        return true;
    if (fragment->is_last) {
        waiting->has_end = true;
        waiting->end = end;
    }
    return false;
}

static enum fragment_verdict add_to(struct fragments *fragments, struct waiting *waiting,
                                    const struct fragment *fragment, struct datagram *ret_datagram)
{
    const struct piece *overlap;
    enum fragment_verdict verdict;

    if (contradicts_end(waiting, fragment)) {
        ret_datagram->reason = "fragments disagree about the datagram's end";
        return give_up(fragments, waiting, DECODER_FRAGMENT_CONTRADICTION);
    }
    overlap = fragment->source.family == ADDRESS_IPV6 ? find_overlap(waiting, fragment) : NULL;
    if (overlap && is_same_piece(overlap, fragment)) {
        fragments->counters[DECODER_FRAGMENT_DUPLICATE]++;
        return FRAGMENT_DROPPED;
    }
    if (overlap) {
        ret_datagram->reason = "IPv6 fragments overlap";
        return give_up(fragments, waiting, DECODER_FRAGMENT_OVERLAP_IPV6);
    }
    verdict = fill_holes(fragments, waiting, fragment);
    if (verdict != FRAGMENT_KEPT)
        return verdict;
    if (fragment->offset + fragment->length > waiting->furthest)
        waiting->furthest = fragment->offset + fragment->length;
    if (waiting->has_end && waiting->received == waiting->end)
        return give_out(fragments, waiting, ret_datagram);
    return FRAGMENT_KEPT;
}

enum fragment_verdict fragments_add(struct fragments *fragments, const struct fragment *fragment,
                                    struct datagram *ret_datagram)
{
    struct fragment usable = *fragment;
    struct waiting *waiting;

    fragments->counters[DECODER_FRAGMENTS]++;
    if (usable.bytes.length < usable.length)
        fragments->counters[DECODER_FRAGMENT_CUT]++;
    expire(fragments, usable.time_ns);
    if (is_unusable(fragments, &usable, ret_datagram))
        return FRAGMENT_DROPPED;
    waiting = find_waiting(fragments, &usable);
    if (!waiting)
        return FRAGMENT_DROPPED;
    if (usable.offset == 0 && !waiting->has_start && usable.bytes.length >= 4) {
        waiting->has_start = true;
        waiting->first_protocol = usable.protocol;
        memcpy(waiting->start, usable.bytes.data, 4);
    }
    ret_datagram->protocol = waiting->first_protocol;
    ret_datagram->has_start = waiting->has_start;
    memcpy(ret_datagram->start, waiting->start, 4);
    if (waiting->is_given_up) {
        fragments->counters[DECODER_FRAGMENT_REFUSED]++;
        return FRAGMENT_DROPPED;
    }
    return add_to(fragments, waiting, &usable, ret_datagram);
}
