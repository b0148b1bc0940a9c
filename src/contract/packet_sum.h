/*
 * packet_sum: the sum of the Internet checksum (RFC 1071), and that of the pseudo header of TCP,
 * UDP and ICMPv6 (RFC 9293 §3.1, RFC 8200 §8.1).
 */
#pragma once
#include <arpa/inet.h>
#include "base/words.h"
#include "contract/packet.h"

/*
 * Adds bytes as 16-bit words of this machine's order: the sum has its bytes in that order too, and
 * is compared as it stands (RFC 1071 §2 (B)). `bytes` starts at an even offset.
 */
static inline uint64_t packet_sum_add(uint64_t sum, struct slice bytes)
{
    return sum + words_sum(bytes);
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
    uint32_t words[8];
    uint64_t sum = 0;

    /* Behind the four bytes of IPv4's addresses there are zeros. */
    memcpy(words, packet->source.bytes, 16);
    memcpy(words + 4, packet->destination.bytes, 16);
    for (size_t i = 0; i < 8; i++)
        sum += words[i];
    return sum + htonl(length) + htonl(packet->protocol);
}
