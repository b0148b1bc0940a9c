/*
 * file_pcap: the pcap format (draft-ietf-opsawg-pcap), both byte orders, microseconds and
 * nanoseconds, with the variants that other writers made of it: Kuznetzov's longer packet headers,
 * Ixia's longer file header, and the exchanged lengths of versions before 2.4.
 *
 *   file   | magic 4 | major 2 | minor 2 | zone 4 | accuracy 4 | snap length 4 | link type 4 |
 *   packet | seconds 4 | fraction 4 | captured length 4 | length 4 | (variant) | bytes |
 *
 * Behind a damaged packet header the next one that can be trusted is looked for: one that is
 * plausible and ends where another plausible one, or the file's end, is.
 */
#include <errno.h>
#include "capture/file_format.h"

enum {
    HEADER_BYTES = 24,
    PACKET_HEADER_BYTES = 16,
    KUZNETZOV_HEADER_BYTES = 24,
    LINK_TYPE_BITS = 0xffff, /* above: length of the frame check sequence, and reserved bits */
    LINKTYPE_RAW = 101,
    SECONDS_BACK = 86400, /* how far the time may jump where a header was looked for */
    SECONDS_AHEAD = 30 * 86400,
};

enum {
    MAGIC_MICROSECONDS = 0xa1b2c3d4,
    MAGIC_NANOSECONDS = 0xa1b23c4d,
    MAGIC_KUZNETZOV = 0xa1b2cd34,
    MAGIC_IXIA_HARDWARE = 0x1c0001ac,
    MAGIC_IXIA_SOFTWARE = 0x1c0001ab,
};

struct pcap {
    struct byte_order order;
    uint32_t fraction_ns; /* nanoseconds of one unit of the fraction */
    size_t header_bytes;  /* of a packet's header */
    uint32_t link_type;
    uint32_t snap_length; /* 0: the file does not say */
    bool may_be_exchanged;
    uint32_t last_seconds;
};

struct packet_header {
    uint32_t seconds, fraction, captured, length;
};

static bool find_magic(struct slice bytes, struct byte_order *ret_order, uint32_t *ret_magic)
{
    static const uint32_t magics[] = {MAGIC_MICROSECONDS, MAGIC_NANOSECONDS, MAGIC_KUZNETZOV,
                                      MAGIC_IXIA_HARDWARE, MAGIC_IXIA_SOFTWARE};

    if (bytes.length < 4)
        return false;
    for (size_t i = 0; i < sizeof(magics) / sizeof(*magics); i++)
        for (int is_swapped = 0; is_swapped < 2; is_swapped++) {
            *ret_order = (struct byte_order){is_swapped};
            *ret_magic = magics[i];
            if (byte_order_32(*ret_order, bytes.data) == magics[i])
                return true;
        }
    return false;
}

static bool probe(struct slice bytes)
{
    struct byte_order order;
    uint32_t magic;

    return find_magic(bytes, &order, &magic);
}

static uint32_t link_type_of(uint32_t network)
{
    uint32_t type = network & LINK_TYPE_BITS;

    /* What systems call DLT_RAW; writers put it into files too. */
    return type == 12 || type == 14 ? LINKTYPE_RAW : type;
}

static int open_pcap(void *state, struct file_reader *reader)
{
    struct pcap *pcap = state;
    struct slice bytes = file_input_look(&reader->input, HEADER_BYTES + 4);
    bool is_ixia;
    uint32_t magic;

    if (bytes.length < HEADER_BYTES)
        return file_reader_report(reader, 0,
                                  "the file ends inside its header (%zu of %d bytes): it holds no "
                                  "packet; capture it again",
                                  bytes.length, HEADER_BYTES);
    find_magic(bytes, &pcap->order, &magic);
    is_ixia = magic == MAGIC_IXIA_HARDWARE || magic == MAGIC_IXIA_SOFTWARE;
    pcap->fraction_ns = magic == MAGIC_NANOSECONDS || is_ixia ? 1 : 1000;
    pcap->header_bytes = magic == MAGIC_KUZNETZOV ? KUZNETZOV_HEADER_BYTES : PACKET_HEADER_BYTES;
    pcap->may_be_exchanged = byte_order_16(pcap->order, bytes.data + 4) == 2 &&
                             byte_order_16(pcap->order, bytes.data + 6) <= 3;
    pcap->snap_length = byte_order_32(pcap->order, bytes.data + 16);
    pcap->link_type = link_type_of(byte_order_32(pcap->order, bytes.data + 20));
    file_input_consume(&reader->input, is_ixia && bytes.length >= HEADER_BYTES + 4
                                           ? HEADER_BYTES + 4 /* size of all packets */
                                           : HEADER_BYTES);
    return 0;
}

static struct packet_header read_header(const struct pcap *pcap, const uint8_t *at)
{
    struct packet_header header = {
        byte_order_32(pcap->order, at), byte_order_32(pcap->order, at + 4),
        byte_order_32(pcap->order, at + 8), byte_order_32(pcap->order, at + 12)};

    if (pcap->may_be_exchanged && header.captured > header.length) {
        uint32_t length = header.captured;

        header.captured = header.length;
        header.length = length;
    }
    return header;
}

/* Strict: for headers that were looked for. */
static bool is_plausible(const struct pcap *pcap, const uint8_t *at)
{
    struct packet_header header = read_header(pcap, at);
    uint32_t limit = pcap->snap_length && pcap->snap_length < FRAME_MAXIMUM_BYTES
                         ? pcap->snap_length
                         : FRAME_MAXIMUM_BYTES;
    int64_t jump = (int64_t)header.seconds - pcap->last_seconds;

    return header.captured && header.captured <= limit && header.captured <= header.length &&
           header.length <= FRAME_MAXIMUM_BYTES &&
           (uint64_t)header.fraction * pcap->fraction_ns < 1000000000ull &&
           (!pcap->last_seconds || (jump >= -SECONDS_BACK && jump <= SECONDS_AHEAD));
}

/* Does a packet begin here, behind which another one or the end is? */
static bool is_packet(const struct pcap *pcap, struct file_reader *reader, size_t offset)
{
    struct slice window = file_input_look(&reader->input, offset + pcap->header_bytes);
    size_t next;

    if (window.length < offset + pcap->header_bytes || !is_plausible(pcap, window.data + offset))
        return false;
    next = offset + pcap->header_bytes + read_header(pcap, window.data + offset).captured;
    window = file_input_look(&reader->input, next + pcap->header_bytes);
    if (window.length < next + pcap->header_bytes)
        return window.length == next;
    return is_plausible(pcap, window.data + next);
}

/* Moves to the next packet that can be trusted; the number of bytes left out. */
static uint64_t find_packet(const struct pcap *pcap, struct file_reader *reader)
{
    uint64_t start = reader->input.position;
    struct slice window = file_input_look(&reader->input, 1);

    if (window.length)
        file_input_consume(&reader->input, 1);
    while (file_input_look(&reader->input, pcap->header_bytes).length >= pcap->header_bytes) {
        if (is_packet(pcap, reader, 0))
            return reader->input.position - start;
        file_input_consume(&reader->input, 1);
    }
    file_input_skip(&reader->input, UINT64_MAX);
    return reader->input.position - start;
}

static int report_damage(struct pcap *pcap, struct file_reader *reader, uint32_t captured)
{
    uint64_t position = reader->input.position, skipped = find_packet(pcap, reader);
    bool is_end = !file_input_look(&reader->input, 1).length;

    return file_reader_report(reader, position,
                              "no packet can begin here (captured length %u): the file is damaged; "
                              "%llu bytes are left out and %s",
                              captured, (unsigned long long)skipped,
                              is_end ? "no packet was found behind them" : "reading goes on");
}

static int report_cut(struct file_reader *reader, uint64_t position, uint64_t missing)
{
    return file_reader_report(reader, position,
                              "the file ends inside a packet, at least %llu bytes are missing: it "
                              "was cut, or is still being written; everything before is read",
                              (unsigned long long)missing);
}

static int next(void *state, struct file_reader *reader, struct frame *ret_frame)
{
    struct pcap *pcap = state;
    struct slice window = file_input_look(&reader->input, pcap->header_bytes);
    struct packet_header header;
    size_t present;

    if (window.length < pcap->header_bytes) {
        uint64_t position = reader->input.position;

        file_input_consume(&reader->input, window.length);
        return window.length ? report_cut(reader, position, pcap->header_bytes - window.length) : 0;
    }
    header = read_header(pcap, window.data);
    if (header.captured > FRAME_MAXIMUM_BYTES)
        return report_damage(pcap, reader, header.captured);
    if (window.length < pcap->header_bytes + header.captured)
        window = file_input_look(&reader->input, pcap->header_bytes + header.captured);
    present = slice_part(window, pcap->header_bytes, header.captured).length;
    if (present < header.captured) {
        report_cut(reader, reader->input.position, header.captured - present);
        reader->has_report = true;
    }
    pcap->last_seconds = header.seconds;
    ret_frame->time_ns = header.seconds * 1000000000ull +
                         (uint64_t)header.fraction * pcap->fraction_ns;
    ret_frame->link_type = pcap->link_type;
    ret_frame->length = header.length > header.captured ? header.length : header.captured;
    ret_frame->bytes = slice_part(window, pcap->header_bytes, present);
    file_input_consume(&reader->input, pcap->header_bytes + present);
    return 1;
}

const struct file_format file_format_pcap = {
    .name = "pcap",
    .probe = probe,
    .state_size = sizeof(struct pcap),
    .open = open_pcap,
    .next = next,
};
