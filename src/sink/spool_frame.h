/*
 * spool_frame: the bytes of a spool's files. Numbers are little endian; each piece has a CRC32C of
 * its own, so that damage touches only the records that it hits.
 *
 *   segment  "WEIRSPL1"  spool 8  number 8  first 8  previous_end 8  zero 20  crc 4   = 64 bytes
 *   frame    magic 4  crc_head 4  crc_body 4  attributes 2  severity 1  flags 1  payload 4
 *            sequence 8  id 8  time 8  = 44 bytes, then the attributes, then the payload
 *   position "WEIRPOS1"  spool 8  acknowledged 8  written 8  next 8  zero 20  crc 4   = 64 bytes
 *
 * A frame's checksums begin with the spool's and the segment's numbers: what is left over from
 * another file, or was put there by others, is no frame.
 */
#pragma once
#include "base/buffer.h"
#include "contract/sink.h"

enum {
    SPOOL_HEAD_BYTES = 64, /* of segments and of the position */
    SPOOL_FRAME_BYTES = 44,
    SPOOL_PAYLOAD_MAXIMUM = 16 * 1024 * 1024,
    SPOOL_ATTRIBUTES_MAXIMUM = 65535,
};

struct spool_segment_head {
    uint64_t spool, number;
    uint64_t first_sequence; /* of its first record */
    uint64_t previous_end;   /* one more than the last sequence of the segment before; 0: none */
};

struct spool_position {
    uint64_t spool;
    uint64_t acknowledged; /* all up to this one */
    uint64_t written;      /* one more than the last one that was synced */
    uint64_t next_number;  /* no segment has had it, or a higher one; 0: not known */
};

void spool_segment_head_write(const struct spool_segment_head *head,
                              uint8_t bytes[SPOOL_HEAD_BYTES]);
bool spool_segment_head_read(struct slice bytes, struct spool_segment_head *ret_head);

void spool_position_write(const struct spool_position *position, uint8_t bytes[SPOOL_HEAD_BYTES]);
bool spool_position_read(struct slice bytes, struct spool_position *ret_position);

struct spool_frame {
    struct sink_entry entry; /* slices point into the bytes that were read */
    size_t length;           /* of all of it */
    bool is_damaged;         /* the head is right, the rest is not */
};

enum spool_frame_verdict { SPOOL_FRAME, SPOOL_FRAME_MORE, SPOOL_FRAME_NONE };

/* What frames of a segment have in common. */
uint32_t spool_frame_seed(uint64_t spool, uint64_t number);
int spool_frame_append(struct buffer *buffer, const struct sink_entry *entry, uint32_t seed);
/* The frame at the beginning. MORE: its head is right, and `length` says how much it needs. */
enum spool_frame_verdict spool_frame_read(struct slice bytes, uint32_t seed,
                                          struct spool_frame *ret_frame);
/* Offset of the next frame's head, or of where one might begin that does not end here. */
size_t spool_frame_search(struct slice bytes, size_t from, uint32_t seed);
