/*
 * packet_mask.h: values of headers that carry secrets are overwritten in a packet before it is
 * handed over, by the same steps as those of socket calls (scan.h). Only heads that lie whole in
 * the packet: of a cut one it is not certain where names end, so user space masks it.
 */
#pragma once
#include "bpf/packet_maps.h"
#include "bpf/scan.h"

enum { MASK_ROUNDS = 32, MASK_STEPS = 64, MASK_BYTES = 2 * CHUNK };

/*
 * Do these eight bytes look like a start line: "HTTP/1.", or capital letters up to a blank behind
 * the third or later, or all of them?
 */
static __always_inline bool starts_message(const __u8 *bytes)
{
    __u64 word = *word_pointer((void *)bytes), low = word & ~HIGHS, others;

    if ((word & LOW(7)) == 0x002e312f50545448ull)
        return true;
    others = ~((low + REPEATED(0x80 - 'A')) & ~(low + REPEATED(0x7f - 'Z')) & ~word) & HIGHS;
    if (!others)
        return true;
    return !(others & LOW(3)) && (word_match(word, ' ') & others & -others);
}

/* The payload's first `count` bytes to the scanner's work area. */
__noinline int weir_packet_mask_fill(__u32 slot, __u32 count)
{
    struct packet_work *packet = packet_work_get(slot);
    struct work *work = work_get(slot);
    __u32 from;

    if (!packet || !work || packet->view.payload_at > PACKET_WINDOW || count > MASK_BYTES)
        return -1;
    from = packet->view.payload_at;
    for (__u32 i = 0; i < MASK_BYTES / 8; i++) {
        if (i * 8 >= count)
            break;
        WORD_AT(work, i * 8) = *word_pointer(&packet->data[(from + i * 8) & (PACKET_SNAP - 1)]);
    }
    __builtin_memset(&work->stream, 0, sizeof(work->stream));
    work->cursor.total = 0;
    work->unseen = 0;
    work->at = 0;
    work->filled = count;
    work->is_masking = 0;
    work->is_special = 0;
    return 0;
}

/* The first `count` bytes, masked, back to the packet. */
__noinline int weir_packet_mask_return(__u32 slot, __u32 count)
{
    struct packet_work *packet = packet_work_get(slot);
    struct work *work = work_get(slot);
    __u64 altered = 0, *word;
    __u32 from, i;

    if (!packet || !work || packet->view.payload_at > PACKET_WINDOW || count > MASK_BYTES)
        return -1;
    from = packet->view.payload_at;
    for (i = 0; i < MASK_BYTES / 8; i++) {
        if (i * 8 + 8 > count)
            break;
        word = word_pointer(&packet->data[(from + i * 8) & (PACKET_SNAP - 1)]);
        altered |= *word ^ WORD_AT(work, i * 8);
        *word = WORD_AT(work, i * 8);
    }
    i *= 8;
    for (__u32 last = 0; last < 8; last++) {
        if (i + last >= count)
            break;
        altered |= packet->data[(from + i + last) & (PACKET_SNAP - 1)] ^ AT(work, i + last);
        packet->data[(from + i + last) & (PACKET_SNAP - 1)] = AT(work, i + last);
    }
    if (altered)
        packet->event.flags |= WEIR_FRAME_MASKED;
    return 0;
}

__noinline int weir_packet_mask_step(__u32 slot)
{
    return scan(slot);
}

/* Some steps: of all at once a verifier without CAP_PERFMON loses count. */
__noinline int weir_packet_mask_steps(__u32 slot)
{
    int verdict = SCAN_GOES_ON;

    for (int i = 0; i < MASK_STEPS && verdict == SCAN_GOES_ON; i++)
        verdict = weir_packet_mask_step(slot);
    return verdict;
}

/*
 * Behind a head's end: on to the next one. What follows is that if it looks so (then the head had
 * no body, whatever its length says), else the body is passed. 0: the packet has no other.
 */
__noinline int weir_packet_mask_next(__u32 slot)
{
    struct work *work = work_get(slot);
    __u64 length;

    if (!work)
        return 0;
    length = work->stream.has_length == LENGTH_READ ? work->stream.content_length : 0;
    if (work->at + 8 > work->filled)
        return 0;
    if (!starts_message(&AT(work, work->at))) {
        if (length > MASK_BYTES)
            return 0;
        work->at += length;
    }
    if (work->at + 8 > work->filled || !starts_message(&AT(work, work->at)))
        return 0;
    __builtin_memset(&work->stream, 0, sizeof(work->stream));
    work->is_special = 0;
    return 1;
}

/* Masks the heads that lie whole in the payload's first `count` bytes; a head starts there. */
__noinline int weir_packet_mask(__u32 slot, __u32 count)
{
    struct work *work = work_get(slot);
    __u32 whole = 0;

    if (count > MASK_BYTES)
        count = MASK_BYTES;
    if (!work || weir_packet_mask_fill(slot, count))
        return 0;
    for (int i = 0; i < MASK_ROUNDS; i++) {
        int verdict = weir_packet_mask_steps(slot);

        if (verdict == SCAN_GOES_ON)
            continue;
        if (verdict != SCAN_HEAD_ENDS)
            break;
        whole = work->at;
        if (!weir_packet_mask_next(slot))
            break;
    }
    return whole ? weir_packet_mask_return(slot, whole) : 0;
}
