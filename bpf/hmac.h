/*
 * hmac.h: HMAC-SHA-256 (RFC 2104, FIPS 180-4) of a value that is about to be overwritten, so that
 * equal secrets can be matched without leaving the kernel. Only values that lie whole in the chunk
 * have a digest; one that is cut over two calls is masked without.
 */
#pragma once
#include "bpf/emit.h"
#include "bpf/words.h"

enum { SHA_BLOCK = 64, VALUE_WORDS = 256, SHA_BLOCKS_MAXIMUM = VALUE_WORDS / 8 + 2 };

static const __u32 sha_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static __always_inline __u32 rotate(__u32 value, __u32 bits)
{
    return value >> bits | value << (32 - bits);
}

/* The message schedule W (FIPS 180-4 §6.2.2 step 1). */
static __always_inline void sha_schedule(struct work *work)
{
#pragma clang loop unroll(disable)
    for (int i = 0; i < 16; i++)
        work->sha.schedule[i] = bpf_ntohl(((__u32 *)work->sha.block)[i]);
#pragma clang loop unroll(disable)
    for (int i = 16; i < 64; i++) {
        __u32 early = work->sha.schedule[i - 15], late = work->sha.schedule[i - 2];

        work->sha.schedule[i] = work->sha.schedule[i - 16] + work->sha.schedule[i - 7] +
                                (rotate(early, 7) ^ rotate(early, 18) ^ early >> 3) +
                                (rotate(late, 17) ^ rotate(late, 19) ^ late >> 10);
    }
}

/*
 * Mixes sha.block into sha.hash. The working variables live in the map: registers would be spilled
 * to a stack that kernels before 6.10 count 512 bytes of for all functions together.
 */
__noinline int weir_sha_block(__u32 slot)
{
    struct work *work = work_get(slot);
    __u32 *v;

    if (!work)
        return 0;
    sha_schedule(work);
    v = work->sha.variables;
    for (int i = 0; i < 8; i++)
        v[i] = work->sha.hash[i];
#pragma clang loop unroll(disable)
    for (int i = 0; i < 64; i++) {
        __u32 a, e, first, second;

        BOUND(v); /* nothing is kept from one round to the next */
        a = v[0], e = v[4];
        first = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & v[5]) ^ (~e & v[6])) +
                sha_constants[i] + work->sha.schedule[i];
        second = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
                 ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
        v[7] = v[6], v[6] = v[5], v[5] = e, v[4] = v[3] + first;
        v[3] = v[2], v[2] = v[1], v[1] = a, v[0] = first + second;
    }
    for (int i = 0; i < 8; i++)
        work->sha.hash[i] += v[i];
    return 0;
}

/* Fills sha.block with the bytes of data[from..from + length) from `offset` on, and the padding. */
__noinline int weir_sha_fill(__u32 slot, __u32 from, __u32 length, __u32 offset)
{
    struct work *work = work_get(slot);
    __u32 total = (length + 9 + SHA_BLOCK - 1) & ~(SHA_BLOCK - 1);

    if (!work)
        return 0;
    for (int i = 0; i < SHA_BLOCK / 8; i++) {
        __u32 at = offset + i * 8, left = at < length ? length - at : 0;
        __u64 word = left ? *word_pointer(&work->data[(from + at) & (2 * CHUNK - 1)]) : 0;

        if (left < 8 && at <= length) {
            word &= left ? ~0ull >> ((64 - 8 * left) & 63) : 0;
            word |= 0x80ull << (8 * left & 63);
        }
        if (at + 8 == total) /* the key's pad is one block in front */
            word = bpf_cpu_to_be64((__u64)(length + SHA_BLOCK) * 8);
        work->sha.block[i] = word;
    }
    return 0;
}

/* The first 8 bytes of HMAC-SHA-256(key, data[from..from + length)) to sha.digest. */
__noinline int weir_hmac(__u32 slot, __u32 from, __u32 length)
{
    struct work *work = work_get(slot);

    if (!work || length > VALUE_WORDS * 8)
        return -1;
    for (int i = 0; i < 8; i++)
        work->sha.hash[i] = weir_hmac_key.inner[i];
    for (int i = 0; i < SHA_BLOCKS_MAXIMUM; i++) {
        if (i * SHA_BLOCK >= length + 9)
            break;
        weir_sha_fill(slot, from, length, i * SHA_BLOCK);
        weir_sha_block(slot);
    }
    for (int i = 0; i < 8; i++) {
        ((__u32 *)work->sha.block)[i] = bpf_htonl(work->sha.hash[i]);
        work->sha.hash[i] = weir_hmac_key.outer[i];
    }
    work->sha.block[4] = 0x80;
    work->sha.block[5] = 0;
    work->sha.block[6] = 0;
    work->sha.block[7] = bpf_cpu_to_be64((SHA_BLOCK + 32) * 8);
    weir_sha_block(slot);
    work->sha.digest = (__u64)work->sha.hash[0] << 32 | work->sha.hash[1];
    return 0;
}

/* Where the value that starts at data[from] ends: its LF or delimiter. `filled`: not here. */
__noinline int weir_value_end(__u32 slot, __u32 from, __u32 delimiter)
{
    struct work *work = work_get(slot);
    __u32 at = from;

    if (!work)
        return 0;
    for (int i = 0; i < VALUE_WORDS; i++) {
        __u64 word, marks;

        if (at >= work->filled)
            return work->filled;
        word = *word_pointer(&work->data[at & (2 * CHUNK - 1)]);
        marks = word_match(word, '\n') | word_match(word, delimiter);
        if (marks) {
            at += word_index(word_below(marks));
            return at < work->filled ? at : work->filled;
        }
        at += 8;
    }
    return work->filled;
}

/* Without the white space in front of data[end]. */
__noinline int weir_value_trim(__u32 slot, __u32 from, __u32 end)
{
    struct work *work = work_get(slot);

    if (!work)
        return end;
    for (int i = 0; i < 16; i++) {
        __u8 byte;

        if (end <= from)
            return from;
        byte = work->data[(end - 1) & (2 * CHUNK - 1)];
        if (byte != ' ' && byte != '\t' && byte != '\r')
            break;
        end--;
    }
    return end;
}

/* Hands over the digest of the value at data[at..], if it is whole. 1: the call has more of it. */
__noinline int weir_digest(__u32 slot, __u32 delimiter)
{
    struct work *work = work_get(slot);
    struct weir_event_digest *event;
    __u32 from, end;
    __u8 byte;

    if (!work || work->stream.is_value_cut)
        return 0;
    from = work->at;
    end = weir_value_end(slot, from, delimiter);
    if (end >= work->filled)
        return work->cursor.total && work->filled < CHUNK; /* there may be more of it to copy */
    if (work->data[end & (2 * CHUNK - 1)] == '\n') {       /* a folded line goes on */
        byte = work->data[(end + 1) & (2 * CHUNK - 1)];
        if (end + 1 >= work->filled || byte == ' ' || byte == '\t')
            return 0;
    }
    end = weir_value_trim(slot, from, end);
    if (end <= from || weir_hmac(slot, from, end - from))
        return 0;
    event = &work->digest;
    head_fill(&event->head, work, WEIR_EVENT_DIGEST);
    event->position = work->stream.position + from;
    event->digest = work->sha.digest;
    emit(event, sizeof(*event));
    return 0;
}
