/* address: one end of a connection. */
#pragma once
#include <stdint.h>
#include "base/slice.h"

enum address_family { ADDRESS_NONE = 0, ADDRESS_IPV4 = 4, ADDRESS_IPV6 = 6 };

struct address {
    uint8_t family;    /* enum address_family */
    uint8_t bytes[16]; /* network order; the first 4 for IPv4. IPv4-mapped IPv6 is stored as IPv4 */
};

struct endpoint {
    struct address address;
    uint16_t port; /* host order; 0: unknown */
};

struct cidr {
    struct address address;
    uint8_t prefix; /* bits */
};

/* Longest text: 45 characters; writes no NUL; returns the length (RFC 5952 for IPv6). */
size_t address_format(const struct address *address, char text[46]);
/* 0, or -EINVAL when `text` is no IP literal. */
int address_parse(struct slice text, struct address *ret_address);
/* "10.0.0.0/8", "::1" (a full-length prefix). 0 or -EINVAL. */
int cidr_parse(struct slice text, struct cidr *ret_cidr);
bool cidr_contains(const struct cidr *cidr, const struct address *address);
bool address_is_equal(const struct address *a, const struct address *b);
