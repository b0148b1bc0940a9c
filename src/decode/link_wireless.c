/*
 * link_wireless: IEEE 802.11 (§9.2, §9.3.2) and what capture programs put in front of it: radiotap
 * (radiotap.org), PPI, AVS, Prism. Only data frames in clear text lead to an EtherType.
 */
#include "decode/walk.h"

enum { ADDRESS_BYTES = 6, FCS_BYTES = 4 };

/* What the headers before 802.11 tell of it. */
struct wireless {
    bool has_fcs;     /* a checksum at the end */
    bool has_padding; /* the header is padded to a multiple of 4 */
};

/* Length of the 802.11 header of a data frame by its frame control field. */
static size_t data_header_length(uint8_t type, uint8_t flags)
{
    bool has_four_addresses = (flags & 0x03) == 0x03; /* to DS and from DS */
    bool is_qos = type & 0x80;
    size_t length = 2 + 2 + 3 * ADDRESS_BYTES + 2;

    if (has_four_addresses)
        length += ADDRESS_BYTES;
    if (is_qos)
        length += flags & 0x80 ? 2 + 4 : 2; /* QoS control, and HT control with +HTC */
    return length;
}

/*
 * An aggregate: destination, source, length, payload, padding to 4, and so on. One frame is one
 * packet here, so the first is followed.
 */
static void walk_aggregate(struct walk *walk)
{
    if (!walk_has(walk, 14))
        return;
    walk_limit(walk, 14 + (uint64_t)read_u16(walk->bytes.data + 12));
    walk_skip(walk, 14);
    walk_llc(walk);
}

static void walk_ieee80211(struct walk *walk, struct wireless wireless)
{
    enum { DATA = 2, WITHOUT_DATA = 0x40, QOS = 0x80, PROTECTED = 0x40, AGGREGATE = 0x80 };
    const uint8_t *at = walk->bytes.data;
    size_t length, padded;
    bool is_aggregate;
    uint8_t flags;

    if (!walk_has(walk, 2))
        return;
    if (wireless.has_fcs && walk->length >= FCS_BYTES)
        walk_limit(walk, walk->length - FCS_BYTES);
    if ((at[0] >> 2 & 3) != DATA || at[0] & 3) {
        walk_take(walk, LAYER_IEEE80211, 0, walk->bytes.length < 24 ? walk->bytes.length : 24);
        walk_payload(walk);
        return;
    }
    flags = at[1];
    length = data_header_length(at[0], flags);
    padded = wireless.has_padding ? (length + 3) & ~(size_t)3 : length;
    at = walk_take(walk, LAYER_IEEE80211, 0, padded);
    if (!at)
        return;
    walk_payload(walk);
    if (at[0] & WITHOUT_DATA || flags & PROTECTED)
        return;
    is_aggregate = at[0] & QOS && at[length - (flags & 0x80 ? 6 : 2)] & AGGREGATE;
    if (is_aggregate)
        walk_aggregate(walk);
    else
        walk_llc(walk);
}

/* version, pad, length (little endian), words of present fields, fields in order of their bits. */
static void walk_radiotap(struct walk *walk)
{
    enum { TSFT = 1, FLAGS = 2, FLAG_FCS = 0x10, FLAG_PADDING = 0x20, TSFT_BYTES = 8 };
    struct wireless wireless = {0};
    const uint8_t *at = walk->bytes.data;
    size_t length, offset = 4;
    uint32_t present, word;

    if (!walk_has(walk, 8))
        return;
    length = read_u16_little(at + 2);
    present = read_u32_little(at + 4);
    if (length < 8) {
        walk_malformed(walk, "radiotap length is shorter than its header");
        return;
    }
    at = walk_take(walk, LAYER_RADIOTAP, LINK_RADIOTAP, length);
    if (!at)
        return;
    do { /* bit 31: a further word of present fields */
        if (offset + 4 > length)
            break;
        word = read_u32_little(at + offset);
        offset += 4;
    } while (word & UINT32_C(1) << 31);
    if (present & TSFT)
        offset = ((offset + 7) & ~(size_t)7) + TSFT_BYTES;
    if (present & FLAGS && offset < length) {
        wireless.has_fcs = at[offset] & FLAG_FCS;
        wireless.has_padding = at[offset] & FLAG_PADDING;
    }
    walk_ieee80211(walk, wireless);
}

/* version, flags, length, link type (all little endian), fields */
static void walk_ppi(struct walk *walk)
{
    enum { FIELD_80211_COMMON = 2, FLAG_FCS = 1 };
    struct wireless wireless = {0};
    const uint8_t *at = walk->bytes.data;
    uint32_t link_type;
    size_t length;

    if (!walk_has(walk, 8))
        return;
    length = read_u16_little(at + 2);
    link_type = read_u32_little(at + 4);
    if (length < 8) {
        walk_malformed(walk, "PPI length is shorter than its header");
        return;
    }
    at = walk_take(walk, LAYER_RADIOTAP, LINK_PPI, length);
    if (!at)
        return;
    if (length >= 8 + 4 + 20 && read_u16_little(at + 8) == FIELD_80211_COMMON)
        wireless.has_fcs = read_u16_little(at + 8 + 4 + 8) & FLAG_FCS;
    if (link_type == LINK_IEEE80211)
        walk_ieee80211(walk, wireless);
    else if (link_type != LINK_PPI)
        walk_link(walk, link_type);
    else
        walk_payload(walk);
}

/* AVS: magic, length (big endian). Prism: message code, length (of either byte order). */
static void walk_avs_or_prism(struct walk *walk, uint32_t link_type)
{
    const uint32_t magic = 0x80211000, magic_mask = 0xfffff000;
    const uint8_t *at = walk->bytes.data;
    uint32_t length;

    if (!walk_has(walk, 8))
        return;
    length = read_u32(at + 4);
    if ((read_u32(at) & magic_mask) != magic && length > 0xffff)
        length = read_u32_little(at + 4);
    if (length < 8 || length > 0xffff) {
        walk_malformed(walk, "the length before the 802.11 header is wrong");
        return;
    }
    if (walk_take(walk, LAYER_RADIOTAP, link_type, length))
        walk_ieee80211(walk, (struct wireless){0});
}

void walk_wireless(struct walk *walk, uint32_t link_type)
{
    switch (link_type) {
    case LINK_IEEE80211:
        walk_ieee80211(walk, (struct wireless){0});
        return;
    case LINK_RADIOTAP:
        walk_radiotap(walk);
        return;
    case LINK_PPI:
        walk_ppi(walk);
        return;
    default: /* AVS, Prism */
        walk_avs_or_prism(walk, link_type);
    }
}
