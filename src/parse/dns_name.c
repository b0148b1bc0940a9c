/*
 * dns_name: domain names (RFC 1035 §3.1, §4.1.4) and how they are written (RFC 4343 §2.1): labels
 * with dots between them, no dot at the end but for the root's; "." and "\" in a label are escaped
 * by a backslash, other bytes that are no visible ASCII as \DDD. Names of multicast DNS are UTF-8
 * (RFC 6762 §16) and stay so.
 */
#include "parse/dns.h"

enum { LABEL_KINDS = 0xc0 }; /* 00: a label of up to 63 bytes, 11: a pointer */

/* Bytes of a well-formed UTF-8 sequence of more than one byte at the start; 0: there is none. */
static size_t utf8_length(struct slice bytes)
{
    uint8_t first = bytes.data[0];
    size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;

    if (first < 0xc2 || first > 0xf4 || length > bytes.length)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((bytes.data[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((first == 0xe0 && bytes.data[1] < 0xa0) || (first == 0xed && bytes.data[1] > 0x9f) ||
        (first == 0xf0 && bytes.data[1] < 0x90) || (first == 0xf4 && bytes.data[1] > 0x8f))
        return 0;
    return length;
}

static void add_label(struct text *text, struct slice label, bool is_utf8)
{
    for (size_t i = 0; i < label.length; i++) {
        uint8_t byte = label.data[i];
        struct slice rest = slice_part(label, i, SIZE_MAX);
        size_t sequence = is_utf8 && byte >= 0x80 ? utf8_length(rest) : 0;

        if (sequence) {
            text_add(text, slice_part(rest, 0, sequence));
            i += sequence - 1;
        } else if (byte == '.' || byte == '\\') {
            text_add_byte(text, '\\');
            text_add_byte(text, byte);
        } else if ((byte > ' ' && byte < 0x7f) || (byte == ' ' && is_utf8)) {
            text_add_byte(text, byte);
        } else {
            text_add_byte(text, '\\');
            text_add_number(text, byte, 3);
        }
    }
}

/* FNV-1a over the label in lower case (RFC 4343 §3). */
static uint64_t hash_label(uint64_t hash, struct slice label)
{
    hash = (hash ^ label.length) * 0x100000001b3u;
    for (size_t i = 0; i < label.length; i++) {
        uint8_t byte = label.data[i];

        byte |= (uint8_t)((byte >= 'A' && byte <= 'Z') << 5);
        hash = (hash ^ byte) * 0x100000001b3u;
    }
    return hash;
}

/* Where a pointer at `at` leads; false: nowhere. */
static bool follow(struct dns_message *message, size_t at, size_t *ret_target)
{
    struct slice bytes = message->reader.bytes;

    if (at + 2 > bytes.length)
        return false;
    *ret_target = (size_t)(bytes.data[at] & 0x3f) << 8 | bytes.data[at + 1];
    if (*ret_target >= at)
        message->reasons |= DNS_BIT(FORWARD);
    return *ret_target >= DNS_HEADER_SIZE && *ret_target < bytes.length;
}

bool dns_name_read(struct dns_message *message, struct text *text, uint64_t *hash)
{
    struct slice bytes = message->reader.bytes;
    size_t at = message->reader.at, length = 0, pointers = 0;
    bool is_first = true;

    while (at < bytes.length && !message->reader.is_short) {
        uint8_t size = bytes.data[at];

        if ((size & LABEL_KINDS) == LABEL_KINDS) {
            if (pointers++ == 0)
                message->reader.at = at + 2 < bytes.length ? at + 2 : bytes.length;
            if (pointers > DNS_POINTERS_MAXIMUM || !follow(message, at, &at))
                break;
            continue;
        }
        length += 1 + (size_t)size;
        if (size & LABEL_KINDS || size > bytes.length - at - 1 || length > DNS_NAME_MAXIMUM)
            break;
        struct slice label = slice_part(bytes, at + 1, size);

        at += 1 + (size_t)size;
        if (!pointers)
            message->reader.at = at;
        if (hash)
            *hash = hash_label(*hash, label);
        if (text && (size == 0 ? is_first : !is_first))
            text_add_byte(text, '.');
        if (size == 0)
            return true;
        if (text)
            add_label(text, label, message->flavour == DNS_MDNS);
        is_first = false;
    }
    bool is_cut = at >= bytes.length || message->is_cut;
    message->reasons |= is_cut && !pointers ? 0 : DNS_BIT(NAME);
    message->reader.is_short |= pointers == 0; /* where the name ends is not known */
    return false;
}
