/* checksum: the Internet checksum (RFC 1071) of a packet's headers. */
#pragma once
#include "contract/packet.h"

/* The sum of 16-bit words, folded; of any number of bytes, the last odd one padded with 0. */
uint16_t checksum_add(uint16_t sum, struct slice bytes);

/* NULL where it cannot be known: not captured whole, a fragment, a super-packet. */
const char *checksum_of_ipv4(struct slice header);
/*
 * Of the packet's transport (TCP, UDP, ICMP, ICMPv6): "good", "bad", "none" (UDP without), or
 * "partial": the sum of the pseudo header alone, which stands there until the NIC adds the rest.
 */
const char *checksum_of_transport(const struct packet *packet);
