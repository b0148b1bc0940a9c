/* address: text of IP literals; RFC 5952 for IPv6 (lower case, the longest run of zeros as ::). */
#include "model/address.h"
#include <arpa/inet.h>
#include <errno.h>

static size_t format_decimal(unsigned number, char *text)
{
    size_t length = 0;
    if (number >= 100)
        text[length++] = (char)('0' + number / 100);
    if (number >= 10)
        text[length++] = (char)('0' + number / 10 % 10);
    text[length++] = (char)('0' + number % 10);
    return length;
}

static size_t format_hexadecimal(unsigned number, char *text)
{
    size_t length = 0;
    for (int shift = 12; shift >= 0; shift -= 4) {
        unsigned digit = number >> shift & 15;
        if (digit || length || shift == 0)
            text[length++] = "0123456789abcdef"[digit];
    }
    return length;
}

static size_t format_ipv4(const uint8_t *bytes, char *text)
{
    size_t length = 0;
    for (int i = 0; i < 4; i++) {
        if (i)
            text[length++] = '.';
        length += format_decimal(bytes[i], text + length);
    }
    return length;
}

static size_t format_ipv6(const uint8_t *bytes, char *text)
{
    unsigned groups[8];
    int best = -1, best_length = 1; /* a single zero group is not shortened (RFC 5952 §4.2.2) */
    for (int i = 0; i < 8; i++)
        groups[i] = (unsigned)bytes[2 * i] << 8 | bytes[2 * i + 1];
    for (int i = 0; i < 8; i++) {
        int run = 0;
        while (i + run < 8 && groups[i + run] == 0)
            run++;
        if (run > best_length) {
            best = i;
            best_length = run;
        }
        i += run ? run - 1 : 0;
    }
    size_t length = 0;
    for (int i = 0; i < 8;) {
        if (i == best) {
            text[length++] = ':';
            text[length++] = ':';
            i += best_length;
            continue;
        }
        if (length && text[length - 1] != ':')
            text[length++] = ':';
        length += format_hexadecimal(groups[i++], text + length);
    }
    return length;
}

size_t address_format(const struct address *address, char text[46])
{
    if (address->family == ADDRESS_IPV4)
        return format_ipv4(address->bytes, text);
    if (address->family == ADDRESS_IPV6)
        return format_ipv6(address->bytes, text);
    return 0;
}

int address_parse(struct slice text, struct address *ret_address)
{
    static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};
    char copy[INET6_ADDRSTRLEN];
    struct address address = {0};
    if (text.length == 0 || text.length >= sizeof(copy) || memchr(text.data, 0, text.length))
        return -EINVAL;
    memcpy(copy, text.data, text.length);
    copy[text.length] = 0;
    if (inet_pton(AF_INET, copy, address.bytes) == 1) {
        address.family = ADDRESS_IPV4;
    } else if (inet_pton(AF_INET6, copy, address.bytes) == 1) {
        address.family = ADDRESS_IPV6;
        if (memcmp(address.bytes, mapped_prefix, sizeof(mapped_prefix)) == 0) {
            memmove(address.bytes, address.bytes + 12, 4);
            memset(address.bytes + 4, 0, 12);
            address.family = ADDRESS_IPV4;
        }
    } else {
        return -EINVAL;
    }
    *ret_address = address;
    return 0;
}

int cidr_parse(struct slice text, struct cidr *ret_cidr)
{
    size_t slash = slice_find(text, '/');
    struct cidr cidr;
    int error = address_parse(slice_part(text, 0, slash), &cidr.address);
    if (error)
        return error;
    unsigned bits = cidr.address.family == ADDRESS_IPV4 ? 32 : 128;
    unsigned prefix = bits;
    if (slash < text.length) {
        struct slice digits = slice_part(text, slash + 1, SIZE_MAX);
        if (digits.length == 0 || digits.length > 3)
            return -EINVAL;
        prefix = 0;
        for (size_t i = 0; i < digits.length; i++) {
            if (digits.data[i] < '0' || digits.data[i] > '9')
                return -EINVAL;
            prefix = prefix * 10 + (digits.data[i] - '0');
        }
        /* ::ffff:a.b.c.d/n counts the mapped prefix's 96 bits too. */
        if (bits == 32 && memchr(text.data, ':', slash)) {
            if (prefix < 96)
                return -EINVAL;
            prefix -= 96;
        }
        if (prefix > bits)
            return -EINVAL;
    }
    cidr.prefix = (uint8_t)prefix;
    *ret_cidr = cidr;
    return 0;
}

bool cidr_contains(const struct cidr *cidr, const struct address *address)
{
    if (cidr->address.family != address->family)
        return false;
    size_t whole = cidr->prefix / 8;
    if (memcmp(cidr->address.bytes, address->bytes, whole) != 0)
        return false;
    unsigned rest = cidr->prefix % 8;
    if (rest == 0)
        return true;
    uint8_t mask = (uint8_t)(0xff << (8 - rest));
    return ((cidr->address.bytes[whole] ^ address->bytes[whole]) & mask) == 0;
}

bool address_is_equal(const struct address *a, const struct address *b)
{
    size_t length = a->family == ADDRESS_IPV4 ? 4 : a->family == ADDRESS_IPV6 ? 16 : 0;
    return a->family == b->family && memcmp(a->bytes, b->bytes, length) == 0;
}
