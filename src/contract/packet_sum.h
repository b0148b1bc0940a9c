/*
 * packet_sum: the sum of the Internet checksum (RFC 1071), and that of the pseudo header of TCP,
 * UDP and ICMPv6 (RFC 9293 §3.1, RFC 8200 §8.1).
 */
#pragma once
#include "contract/packet.h"

/*
 * Adds bytes as 16-bit words of this machine's order: the sum has its bytes in that order too, and
 * is compared as it stands (RFC 1071 §2 (B)). `bytes` starts at an even offset. Halves of 32 bits
 * in sums of 64 have room for carries, and let the compiler take several words at a time.
 */
static inline uint64_t packet_sum_add(uint64_t sum, struct slice bytes)
{
    uint64_t low = 0, high = 0, word;
    uint8_t rest[8] = {0};
    size_t at = 0;

    for (; at + 8 <= bytes.length; at += 8) {
        memcpy(&word, bytes.data + at, 8);
        low += (uint32_t)word;
        high += word >> 32;
    }
    if (at < bytes.length)
        memcpy(rest, bytes.data + at, bytes.length - at);
    memcpy(&word, rest, 8);
    return sum + low + high + (uint32_t)word + (word >> 32);
}

static inline uint16_t packet_sum_fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* `length`: of transport header and payload. */
static inline uint64_t packet_sum_pseudo(const struct packet *packet, uint32_t length)
{
    size_t size = packet->ip_version == 4 ? 4 : 16;
    uint8_t tail[8] = {(uint8_t)(length >> 24),
                       (uint8_t)(length >> 16),
                       (uint8_t)(length >> 8),
                       (uint8_t)length,
                       0,
                       0,
                       0,
                       packet->protocol};
    uint64_t sum = packet_sum_add(0, slice_of(packet->source.bytes, size));

    sum = packet_sum_add(sum, slice_of(packet->destination.bytes, size));
    return packet_sum_add(sum, slice_of(tail, sizeof(tail)));
}
