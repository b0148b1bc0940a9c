/*
 * wire: packets for the tests of track/flows, and what comes out of it: the bytes of each
 * direction with their positions, the ends, and the records.
 */
#pragma once
#include "track/flows.h"

enum { WIRE_BYTES_MAXIMUM = 1 << 16, WIRE_RECORDS_MAXIMUM = 4096 };

struct wire_stream {
    uint8_t bytes[WIRE_BYTES_MAXIMUM]; /* '?' where nothing came */
    uint64_t length;                   /* highest position told */
    uint64_t end;                      /* of on_end; UINT64_MAX: none */
    bool is_disordered;                /* a position came that was behind the one before */
};

struct wire {
    struct flows *flows;
    uint64_t time_ns;
    struct endpoint ends[2];
    uint16_t vlan;                           /* 0: none */
    uint32_t sequence[2], acknowledgment[2]; /* next of each side, for wire_play */
    struct wire_stream streams[2];           /* of the last stream that was opened */
    size_t opened, closed;
    bool is_late, is_datagram;
    struct record *records[WIRE_RECORDS_MAXIMUM];
    size_t record_count;
};

struct wire_segment {
    int side;
    uint16_t flags;
    uint32_t sequence, acknowledgment;
    struct slice payload;
    uint32_t length; /* of the payload on the wire; 0: all of it was captured */
    uint16_t window; /* 0: 65535 */
    bool is_window_zero;
    uint16_t urgent;
    enum { WIRE_CHECKSUM_NONE, WIRE_CHECKSUM_RIGHT, WIRE_CHECKSUM_WRONG } checksum;
    uint16_t segment_count;
};

/* 0 or -ENOMEM. `options`: NULL for the defaults; listener and on_record are the wire's. */
int wire_init(struct wire *wire, const struct flows_options *options);
void wire_done(struct wire *wire);
void wire_send(struct wire *wire, const struct wire_segment *segment);
void wire_datagram(struct wire *wire, int side, struct slice payload);
/*
 * A conversation in words: '>' or '<' for the side, then letters of flags (S A F R P U), a number
 * of payload bytes, ~ for a repeated sequence number (the one before is sent again), z for a zero
 * window. Numbers follow from what was sent. ">S <SA >A >A10 <A20 >FA <FA >A"
 */
void wire_play(struct wire *wire, const char *words);
/* All records out of the way. */
void wire_forget(struct wire *wire);
/* A field of a record as text in `text`, "" when absent. */
const char *wire_text(const struct record *record, const char *field, char text[256]);
