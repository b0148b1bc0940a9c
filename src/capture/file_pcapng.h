/* file_pcapng: what a section of a pcapng file has told. Private to capture/. */
#pragma once
#include "capture/file_format.h"

enum { INTERFACES_MAXIMUM = 16384, INTERFACE_NAME_BYTES = 64 };

struct pcapng_interface {
    uint32_t link_type;
    uint32_t snap_length; /* 0: not told */
    uint64_t units;       /* of time in a second */
    int64_t offset_seconds;
    uint8_t name_length;
    char name[INTERFACE_NAME_BYTES];
};

struct pcapng {
    struct byte_order order; /* of the current section */
    struct pcapng_interface *interfaces;
    size_t interface_count, interface_room;
    uint64_t last_time_ns; /* for packets without a time */
    bool is_cut;           /* the file's end was met inside a block */
};

/* An option of an interface description block. */
void pcapng_interface_take_option(struct pcapng_interface *interface, struct byte_order order,
                                  uint16_t code, struct slice value);
/* Nanoseconds since 1970; what lies before or beyond 2554 becomes the nearest that can be told. */
uint64_t pcapng_interface_time(const struct pcapng_interface *interface, uint64_t units);
