/* file_format: what file_reader and the formats share. Private to capture/. */
#pragma once
#include "capture/file_input.h"
#include "capture/file_reader.h"

struct file_format {
    const char *name;
    /* Do these first bytes begin such a file? */
    bool (*probe)(struct slice bytes);
    size_t state_size; /* zeroed before open */
    /* Reads the header. 0, or -EBADMSG and reader_report. */
    int (*open)(void *state, struct file_reader *reader);
    /* As file_reader_next. */
    int (*next)(void *state, struct file_reader *reader, struct frame *ret_frame);
    void (*close)(void *state); /* may be NULL */
};

struct file_reader {
    const char *path;
    struct file_input input;
    const struct file_format *format;
    void *state;
    bool has_failed; /* nothing comes any more */
    bool has_report; /* message is told before the next frame */
    char message[FILE_READER_MESSAGE_BYTES];
};

/*
 * Fills the message: "PATH: at byte N: ...". Gives -EBADMSG. A format that has a frame to give too
 * sets has_report instead of returning it.
 */
int file_reader_report(struct file_reader *reader, uint64_t position, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Numbers in the byte order of a file or section. */
struct byte_order {
    bool is_swapped; /* not that of this machine */
};
static inline uint16_t byte_order_16(struct byte_order order, const uint8_t *at)
{
    uint16_t number;

    memcpy(&number, at, sizeof(number));
    return order.is_swapped ? __builtin_bswap16(number) : number;
}
static inline uint32_t byte_order_32(struct byte_order order, const uint8_t *at)
{
    uint32_t number;

    memcpy(&number, at, sizeof(number));
    return order.is_swapped ? __builtin_bswap32(number) : number;
}
static inline uint64_t byte_order_64(struct byte_order order, const uint8_t *at)
{
    uint64_t number;

    memcpy(&number, at, sizeof(number));
    return order.is_swapped ? __builtin_bswap64(number) : number;
}

extern const struct file_format file_format_pcap;
extern const struct file_format file_format_pcapng;
