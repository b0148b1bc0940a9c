/*
 * known.h: heads that were handed over lately. Programs send the same head again and again; one
 * that is the same, byte for byte, is told by its number, and neither masked nor copied again. Each
 * CPU has a table of its own, used only by whoever has the CPU's first work area: nobody else
 * changes an entry meanwhile. Heads are kept as they were before masking, in the kernel only.
 */
#pragma once
#include "bpf/lines.h"
#include "bpf/wanted.h"

enum {
    KNOWN_SHORTEST = 32,
    KNOWN_PATIENCE = 4,  /* misses in a row, behind which */
    KNOWN_ATTEMPTS = 16, /* only each so many-th head is kept */
};

struct known {
    __u64 id;    /* as in struct weir_event_data; 0: nobody was told of these bytes */
    __u64 names; /* version of the names that it was masked by */
    __u64 content_length;
    __u32 serial;
    __u32 length; /* of the head */
    __u32 misses; /* in a row */
    __u8 has_length, codings;
    __u8 plain; /* enum message_kind, where nothing but the length of the body follows from it */
    __u8 is_of_use;                     /* its head came again */
    __u8 bytes[WEIR_KNOWN_LENGTH + 32]; /* steps may go beyond the head */
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, WEIR_KNOWN_ENTRIES);
    __type(key, __u32);
    __type(value, struct known);
} weir_known SEC(".maps");

static __always_inline __u64 turned(__u64 word, int bits)
{
    return word << bits | word >> (64 - bits);
}

/* Of what may be a head: its first words, its last two, those at its quarters, and its length. */
static __always_inline __u32 known_index(struct work *work, __u32 filled)
{
    __u64 *first = word_pointer(&AT(work, 0)), *last = word_pointer(&AT(work, filled - 16));
    __u64 low = WORD_AT(work, filled / 4), high = WORD_AT(work, filled / 4 * 3);
    __u64 middle = WORD_AT(work, filled / 2 - 8);
    __u64 hash = first[0] ^ filled ^ turned(first[3], 32);

    hash = hash * 0x9E3779B97F4A7C15ull ^ first[1] ^ turned(low, 32);
    hash = hash * 0x9E3779B97F4A7C15ull ^ first[2] ^ last[0] ^ turned(high, 16);
    hash = hash * 0x9E3779B97F4A7C15ull ^ middle ^ turned(last[1], 32);
    return (hash * 0x9E3779B97F4A7C15ull) >> (64 - WEIR_KNOWN_BITS);
}

/* Does data[] start with the entry's head, of KNOWN_SHORTEST bytes at least? */
static __always_inline bool known_is_same(struct work *work, struct known *known, __u32 length)
{
    __u32 at = 0, last = length - 8;

    for (int i = 0; i < WEIR_KNOWN_LENGTH / 32; i++) {
        __u64 *a = word_pointer(&AT(work, at));
        __u64 *b = word_pointer(&known->bytes[at & (WEIR_KNOWN_LENGTH - 1)]);

        if (at + 32 > length)
            break;
        if ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]))
            return false;
        at += 32;
    }
    for (int i = 0; i < 3; i++) {
        if (at + 8 > length)
            break;
        if (WORD_AT(work, at) != *word_pointer(&known->bytes[at & (WEIR_KNOWN_LENGTH - 1)]))
            return false;
        at += 8;
    }
    return WORD_AT(work, last) == *word_pointer(&known->bytes[last & (WEIR_KNOWN_LENGTH - 1)]);
}

/* Does data[] start with the head that the entry holds, masked by the names that are masked now? */
static __always_inline bool known_holds(struct work *work, struct known *known)
{
    return known->id && known->length >= KNOWN_SHORTEST && known->length <= work->filled &&
           known->names == weir_name_filter.version && known_is_same(work, known, known->length);
}

/*
 * The length of the head at data[0], when it is known; what it is and its framing is then in
 * work->plain and work->stream; else 0. The event has the head's number, and its flags.
 */
static __always_inline __u32 known_take(struct work *work, struct known *known)
{
    known->misses = 0;
    known->is_of_use = true;
    work->event.known = known->id;
    work->event.head.flags = WEIR_FLAG_START | WEIR_FLAG_KNOWN;
    work->plain = known->plain;
    work->stream.has_length = known->has_length;
    work->stream.codings = known->codings;
    work->stream.content_length = known->content_length;
    return known->length;
}

/*
 * Notes the bytes of what may be a head as they are now, in the entry that is of less use;
 * work->known is which, and the event has the number that the head will have. A head that came
 * again is kept through some misses, and of heads that differ all the time only some are noted.
 */
static __always_inline void known_note(struct work *work, struct known *first, struct known *second,
                                       __u32 index)
{
    bool is_second = first->is_of_use != second->is_of_use ? first->is_of_use
                                                           : second->misses > first->misses;
    struct known *known = is_second ? second : first;
    __u64 size = work->filled;

    first->misses++;
    second->misses++;
    if (known->is_of_use ? known->misses <= KNOWN_PATIENCE
                         : known->misses > KNOWN_PATIENCE && (known->misses & (KNOWN_ATTEMPTS - 1)))
        return;
    index ^= is_second;
    known->is_of_use = false;
    known->id = 0;
    known->names = weir_name_filter.version;
    BOUND(size);
    if (size > WEIR_KNOWN_LENGTH)
        size = WEIR_KNOWN_LENGTH;
    if (bpf_probe_read_kernel(known->bytes, size, work->data))
        return;
    work->known = index;
    work->event.known = (__u64)(known->serial + 1) << 32 |
                        bpf_get_smp_processor_id() << WEIR_KNOWN_BITS | index;
}

/* Looks for the head at data[0] in its two entries. As known_take; where it is in none, it is
 * noted.
 */
__noinline __u32 weir_known_find(__u32 slot)
{
    struct work *work = work_get(slot);
    struct known *first, *second;
    __u32 index, other;

    if (!work)
        return 0;
    work->plain = KIND_UNKNOWN;
    work->event.known = 0;
    work->event.head.flags = WEIR_FLAG_START;
    if (slot != 0 || work->filled < KNOWN_SHORTEST || work->filled > CHUNK ||
        weir_message_filter.is_on)
        return 0; /* the filter wants to see the host */
    index = known_index(work, work->filled);
    other = index ^ 1;
    first = bpf_map_lookup_elem(&weir_known, &index);
    if (!first)
        return 0;
    if (known_holds(work, first))
        return known_take(work, first);
    second = bpf_map_lookup_elem(&weir_known, &other);
    if (!second)
        return 0;
    if (known_holds(work, second))
        return known_take(work, second);
    if (!RARELY(!is_usual_start(work, &work->stream))) /* else none that will ever be known */
        known_note(work, first, second, index);
    return 0;
}

/* The bytes of this head that are handed over: none of a known one. Completes the event. */
static __always_inline __u32 known_tell(struct weir_event_data *event, __u32 length)
{
    if (event->head.flags & WEIR_FLAG_KNOWN)
        return 0;
    if (length > WEIR_KNOWN_LENGTH)
        event->known = 0;
    return length;
}

/*
 * Of which kind is the head that was walked over, if nothing follows from it but that its body has
 * stream->content_length bytes? (RFC 9112 §6.3, see head_ends)
 */
static __always_inline __u8 known_plain(struct stream *stream)
{
    __u64 first = *(__u64 *)stream->first;

    if (stream->codings != CODINGS_NONE)
        return KIND_UNKNOWN;
    if (stream->kind == KIND_RESPONSE) {
        if (stream->has_length != LENGTH_READ || stream->status < 200 || stream->status == 204 ||
            stream->status == 304)
            return KIND_UNKNOWN;
        return KIND_RESPONSE;
    }
    if (stream->has_length == LENGTH_NONSENSE || is_head(first) || is_connect(first))
        return KIND_UNKNOWN;
    return KIND_REQUEST;
}

/* The reader has the `length` bytes of this head, masked, by the event's number. 0: it had before.
 */
__noinline int weir_known_keep(__u32 slot, __u32 length)
{
    struct work *work = work_get(slot);
    struct known *known;
    __u32 index;

    if (!work || !length || !work->event.known)
        return 0;
    index = work->known;
    known = bpf_map_lookup_elem(&weir_known, &index);
    if (!known)
        return 0;
    known->serial++;
    known->length = length;
    known->has_length = work->stream.has_length;
    known->codings = work->stream.codings;
    known->content_length = work->stream.has_length == LENGTH_NONE ? 0
                                                                   : work->stream.content_length;
    known->plain = known_plain(&work->stream);
    known->id = work->event.known;
    return 0;
}
