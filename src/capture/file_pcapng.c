/*
 * file_pcapng: the pcapng format (draft-ietf-opsawg-pcapng): sections of either byte order, each
 * with its interfaces and their own link types and clocks.
 *
 *   block     | type 4 | length 4 | body, options | length 4 |      length: of all, both the same
 *   section   0x0A0D0D0A | byte-order magic 4 | major 2 | minor 2 | section length 8 | options
 *   interface 1          | link type 2 | reserved 2 | snap length 4 | options
 *   packet    2          | interface 2 | drops 2 | time 8 | captured 4 | length 4 | bytes | options
 *   simple    3          | length 4 | bytes
 *   enhanced  6          | interface 4 | time 8 | captured 4 | length 4 | bytes | options
 *
 * Blocks of other types are passed over. Behind damage, the next block is looked for: one of a
 * known type whose two lengths agree.
 */
#include <errno.h>
#include "base/allocate.h"
#include "capture/file_format.h"
#include "capture/file_pcapng.h"

enum {
    BLOCK_SECTION = 0x0a0d0d0a,
    BLOCK_INTERFACE = 1,
    BLOCK_PACKET = 2,
    BLOCK_SIMPLE = 3,
    BLOCK_NAMES = 4,
    BLOCK_STATISTICS = 5,
    BLOCK_ENHANCED = 6,
    BLOCK_JOURNAL = 9,
    BLOCK_SECRETS = 10,
    BLOCK_CUSTOM = 0x0bad,
    BLOCK_CUSTOM_PRIVATE = 0x40000bad,

    BYTE_ORDER_MAGIC = 0x1a2b3c4d,
    BLOCK_HEADER_BYTES = 8,
    BLOCK_FRAMING_BYTES = 12,                                /* type and both lengths */
    BLOCK_MAXIMUM_BYTES = FRAME_MAXIMUM_BYTES + 1024 * 1024, /* of those that are looked into */
};

static bool probe(struct slice bytes)
{
    static const uint8_t type[] = {0x0a, 0x0d, 0x0d, 0x0a};

    return bytes.length >= sizeof(type) && memcmp(bytes.data, type, sizeof(type)) == 0;
}

/* The order that the magic of a section header shows; false: it is none. */
static bool find_order(const uint8_t *magic, struct byte_order *ret_order)
{
    for (int is_swapped = 0; is_swapped < 2; is_swapped++) {
        struct byte_order order = {is_swapped};

        if (byte_order_32(order, magic) == BYTE_ORDER_MAGIC) {
            *ret_order = order;
            return true;
        }
    }
    return false;
}

static bool is_known_type(uint32_t type)
{
    return (type >= BLOCK_INTERFACE && type <= BLOCK_ENHANCED) || type == BLOCK_JOURNAL ||
           type == BLOCK_SECRETS || type == BLOCK_CUSTOM || type == BLOCK_CUSTOM_PRIVATE;
}

static bool is_packet_type(uint32_t type)
{
    return type == BLOCK_PACKET || type == BLOCK_SIMPLE || type == BLOCK_ENHANCED;
}

/* Bytes to the next block: writers have forgotten to round the length up. */
static uint64_t rounded(uint32_t length)
{
    return ((uint64_t)length + 3) & ~3ull;
}

/*
 * Is a whole block here, `offset` bytes into the window, that can be trusted? For blocks behind
 * damage, and behind a block whose lengths disagree.
 */
static bool is_block(const struct pcapng *pcapng, struct file_reader *reader, size_t offset)
{
    struct slice window = file_input_look(&reader->input, offset + BLOCK_FRAMING_BYTES);
    struct byte_order order = pcapng->order;
    uint32_t type, length;

    if (window.length < offset + BLOCK_FRAMING_BYTES)
        return false;
    type = byte_order_32(order, window.data + offset);
    if (type == BLOCK_SECTION ? !find_order(window.data + offset + 8, &order)
                              : !is_known_type(type))
        return false;
    length = byte_order_32(order, window.data + offset + 4);
    if (length < BLOCK_FRAMING_BYTES || length % 4 || length > BLOCK_MAXIMUM_BYTES)
        return false;
    window = file_input_look(&reader->input, offset + length);
    return window.length >= offset + length &&
           byte_order_32(order, window.data + offset + length - 4) == length;
}

static bool is_end(struct file_reader *reader, size_t offset)
{
    return file_input_look(&reader->input, offset + 1).length == offset;
}

static int report_damage(struct pcapng *pcapng, struct file_reader *reader, const char *what)
{
    uint64_t start = reader->input.position;
    bool is_found = false;

    if (file_input_look(&reader->input, 1).length)
        file_input_consume(&reader->input, 1);
    while (!is_found &&
           file_input_look(&reader->input, BLOCK_FRAMING_BYTES).length >= BLOCK_FRAMING_BYTES) {
        is_found = is_block(pcapng, reader, 0);
        if (!is_found)
            file_input_consume(&reader->input, 1);
    }
    if (!is_found)
        file_input_skip(&reader->input, UINT64_MAX);
    return file_reader_report(
        reader, start, "%s: the file is damaged; %llu bytes are left out and %s", what,
        (unsigned long long)(reader->input.position - start),
        is_found ? "reading goes on" : "nothing that can be read was found behind them");
}

static int report_cut(struct file_reader *reader, uint64_t position)
{
    return file_reader_report(reader, position,
                              "the file ends inside a block: it was cut, or is still being "
                              "written; everything before is read");
}

/* Where the next option's value is, and its code; length 0 and code 0 at the end. */
static struct slice next_option(struct byte_order order, struct slice *options, uint16_t *ret_code)
{
    struct slice value;
    size_t length;

    *ret_code = 0;
    if (options->length < 4)
        return (struct slice){0};
    *ret_code = byte_order_16(order, options->data);
    length = byte_order_16(order, options->data + 2);
    value = slice_part(*options, 4, length);
    if (value.length < length)
        *ret_code = 0; /* a length that lies ends the list */
    *options = slice_part(*options, 4 + rounded((uint32_t)length), SIZE_MAX);
    return value;
}

static void take_section(struct pcapng *pcapng, struct slice body)
{
    find_order(body.data, &pcapng->order);
    pcapng->interface_count = 0;
}

/* 0, or -ENOMEM. Interfaces beyond the limit are known to be there, and nothing else. */
static int take_interface(struct pcapng *pcapng, struct slice body)
{
    struct pcapng_interface interface = {.units = 1000000};
    struct slice options = slice_part(body, 8, SIZE_MAX), value;
    uint16_t code;

    if (pcapng->interface_count == pcapng->interface_room) {
        size_t room = pcapng->interface_room ? pcapng->interface_room * 2 : 16;
        struct pcapng_interface *grown;

        if (room > INTERFACES_MAXIMUM)
            return -ENOBUFS;
        grown = reallocate(pcapng->interfaces, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        pcapng->interfaces = grown;
        pcapng->interface_room = room;
    }
    interface.link_type = byte_order_16(pcapng->order, body.data);
    interface.snap_length = byte_order_32(pcapng->order, body.data + 4);
    while ((value = next_option(pcapng->order, &options, &code)), code)
        pcapng_interface_take_option(&interface, pcapng->order, code, value);
    pcapng->interfaces[pcapng->interface_count++] = interface;
    return 0;
}

/* epb_flags and pack_flags have the same number and the same low bits. */
static enum packet_direction find_direction(struct byte_order order, struct slice options)
{
    struct slice value;
    uint16_t code;

    while ((value = next_option(order, &options, &code)), code) {
        if (code == 2 && value.length == 4) {
            unsigned bits = byte_order_32(order, value.data) & 3;

            return bits == 1   ? PACKET_INGRESS
                   : bits == 2 ? PACKET_EGRESS
                               : PACKET_DIRECTION_UNKNOWN;
        }
    }
    return PACKET_DIRECTION_UNKNOWN;
}

/* The fixed part of a block with a packet. */
struct packet_head {
    uint32_t interface;
    uint64_t time; /* in the interface's units; 0 and has_time false: not told */
    bool has_time;
    uint32_t captured, length;
    size_t bytes; /* of this part, in the body */
};

static bool read_packet_head(const struct pcapng *pcapng, uint32_t type, struct slice body,
                             struct packet_head *ret_head)
{
    struct byte_order order = pcapng->order;
    const uint8_t *at = body.data;

    if (body.length < (type == BLOCK_SIMPLE ? 4u : 20u))
        return false;
    if (type == BLOCK_SIMPLE) {
        uint32_t snap = pcapng->interface_count ? pcapng->interfaces[0].snap_length : 0;

        *ret_head = (struct packet_head){.length = byte_order_32(order, at), .bytes = 4};
        ret_head->captured = snap && snap < ret_head->length ? snap : ret_head->length;
        /* The block's length counts where the interface's snap length was not kept to. */
        if (ret_head->captured > body.length - 4)
            ret_head->captured = (uint32_t)body.length - 4;
        return true;
    }
    *ret_head = (struct packet_head){
        .interface = type == BLOCK_PACKET ? byte_order_16(order, at) : byte_order_32(order, at),
        .time = (uint64_t)byte_order_32(order, at + 4) << 32 | byte_order_32(order, at + 8),
        .has_time = true,
        .captured = byte_order_32(order, at + 12),
        .length = byte_order_32(order, at + 16),
        .bytes = 20,
    };
    return true;
}

/* `body` ends early where the file does. 1, or -EBADMSG. */
static int take_packet(struct pcapng *pcapng, struct file_reader *reader, uint32_t type,
                       struct slice body, struct frame *ret_frame)
{
    uint64_t position = reader->input.position;
    const struct pcapng_interface *interface;
    struct packet_head head;

    if (!read_packet_head(pcapng, type, body, &head))
        return file_reader_report(reader, position, "a packet's block is too short: left out");
    if (head.interface >= pcapng->interface_count)
        return file_reader_report(reader, position,
                                  "a packet of interface %u, which the file has not described: "
                                  "left out",
                                  head.interface);
    interface = &pcapng->interfaces[head.interface];
    if (head.has_time)
        pcapng->last_time_ns = pcapng_interface_time(interface, head.time);
    ret_frame->time_ns = pcapng->last_time_ns;
    ret_frame->link_type = interface->link_type;
    ret_frame->bytes = slice_part(body, head.bytes, head.captured);
    ret_frame->length = head.length > head.captured ? head.length : head.captured;
    ret_frame->interface_name = slice_of(interface->name, interface->name_length);
    ret_frame->direction = find_direction(
        pcapng->order, slice_part(body, head.bytes + rounded(head.captured), SIZE_MAX));
    if (ret_frame->bytes.length < head.captured && !pcapng->is_cut) {
        file_reader_report(reader, position,
                           "a packet claims %u captured bytes, its block has %zu: the file is "
                           "damaged; what there is is read",
                           head.captured, ret_frame->bytes.length);
        reader->has_report = true;
    }
    return 1;
}

/* What a block of this type says. 1: a frame; 0: nothing; -errno. */
static int take_block(struct pcapng *pcapng, struct file_reader *reader, uint32_t type,
                      struct slice body, struct frame *ret_frame)
{
    int result = 0;

    if (type == BLOCK_SECTION && body.length >= 16)
        take_section(pcapng, body);
    else if (type == BLOCK_INTERFACE && body.length >= 8)
        result = take_interface(pcapng, body);
    else if (is_packet_type(type))
        return take_packet(pcapng, reader, type, body, ret_frame);
    if (result == -ENOBUFS)
        return file_reader_report(reader, reader->input.position,
                                  "more than %d interfaces in one section: their packets are "
                                  "left out",
                                  INTERFACES_MAXIMUM);
    return result;
}

/* The file's end is inside this block. */
static int take_cut_block(struct pcapng *pcapng, struct file_reader *reader, uint32_t type,
                          struct slice window, struct frame *ret_frame)
{
    uint64_t position = reader->input.position;
    struct slice body = slice_part(window, BLOCK_HEADER_BYTES, SIZE_MAX);
    int result = 0;

    pcapng->is_cut = true;
    if (is_packet_type(type) && body.length > 20)
        result = take_packet(pcapng, reader, type, body, ret_frame);
    /* Nothing can move the window any more: the end is in it. */
    file_input_consume(&reader->input, window.length);
    report_cut(reader, position);
    reader->has_report = result == 1;
    return result == 1 ? 1 : -EBADMSG;
}

/* A block that nobody looks into may be of any size. */
static int pass_over(struct file_reader *reader, uint64_t length)
{
    uint64_t position = reader->input.position;

    return file_input_skip(&reader->input, length) < length ? report_cut(reader, position) : 0;
}

/* 1: a frame; 0: a block without one; -errno. There is at least one byte. */
static int next_block(struct pcapng *pcapng, struct file_reader *reader, struct frame *ret_frame)
{
    struct slice window = file_input_look(&reader->input, BLOCK_FRAMING_BYTES);
    uint64_t length;
    uint32_t type, stated;
    int result;

    if (window.length < BLOCK_FRAMING_BYTES)
        return take_cut_block(pcapng, reader, 0, window, ret_frame);
    type = byte_order_32(pcapng->order, window.data);
    if (type == BLOCK_SECTION && !find_order(window.data + BLOCK_HEADER_BYTES, &pcapng->order))
        return report_damage(pcapng, reader, "a section without its byte-order magic");
    stated = byte_order_32(pcapng->order, window.data + 4);
    length = rounded(stated);
    if (length < BLOCK_FRAMING_BYTES)
        return report_damage(pcapng, reader, "a block shorter than its own framing");
    if (length > BLOCK_MAXIMUM_BYTES) {
        if (is_packet_type(type) || !is_known_type(type))
            return report_damage(pcapng, reader, "a block of impossible length");
        return pass_over(reader, length);
    }
    window = file_input_look(&reader->input, (size_t)length);
    if (window.length < length)
        return take_cut_block(pcapng, reader, type, window, ret_frame);
    if (byte_order_32(pcapng->order, window.data + length - 4) != stated) {
        if (!is_block(pcapng, reader, (size_t)length) && !is_end(reader, (size_t)length))
            return report_damage(pcapng, reader, "a block whose two lengths disagree");
        window = file_input_look(&reader->input, (size_t)length); /* only the second is wrong */
    }
    result = take_block(pcapng, reader, type,
                        slice_part(window, BLOCK_HEADER_BYTES, length - BLOCK_FRAMING_BYTES),
                        ret_frame);
    file_input_consume(&reader->input, (size_t)length);
    return result;
}

static int next(void *state, struct file_reader *reader, struct frame *ret_frame)
{
    int result = 0;

    while (result == 0 && file_input_look(&reader->input, 1).length)
        result = next_block(state, reader, ret_frame);
    return result;
}

static int open_pcapng(void *state, struct file_reader *reader)
{
    struct pcapng *pcapng = state;
    struct slice bytes = file_input_look(&reader->input, BLOCK_FRAMING_BYTES);

    if (bytes.length < BLOCK_FRAMING_BYTES ||
        !find_order(bytes.data + BLOCK_HEADER_BYTES, &pcapng->order))
        return file_reader_report(reader, 0,
                                  "the file's first block is cut or damaged: its byte order is "
                                  "not known; capture it again");
    return 0;
}

static void close_pcapng(void *state)
{
    deallocate(((struct pcapng *)state)->interfaces);
}

const struct file_format file_format_pcapng = {
    .name = "pcapng",
    .probe = probe,
    .state_size = sizeof(struct pcapng),
    .open = open_pcapng,
    .next = next,
    .close = close_pcapng,
};
