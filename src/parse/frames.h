/*
 * frames: messages that begin with their length. As much of each is kept as its parser wants; the
 * rest is skipped, and may be missing. Private to parse/.
 */
#pragma once
#include "base/buffer.h"
#include "contract/parser.h"

struct frame {
    struct buffer kept;         /* the first bytes of a frame that came in pieces */
    uint64_t size;              /* bytes in all; 0: the header is not complete */
    uint64_t seen;              /* of them, passed ones too */
    uint64_t limit;             /* so many are wanted */
    uint64_t skip_end;          /* stream position */
    uint64_t time_ns, position; /* of its first byte */
    bool is_begun;
    bool has_skip;
    bool has_gap;    /* bytes are missing */
    bool is_starved; /* there was no memory to keep what is wanted */
    bool is_lost;    /* where the next frame starts is not known */
};

/* What a parser knows of its frames. */
struct frame_rules {
    size_t header; /* bytes that tell the size */
    /*
     * The size of the whole frame from its header, and how much of it is wanted (at least the
     * header). False: this is no frame.
     */
    bool (*measure)(void *context, const uint8_t *header, uint64_t *ret_size, uint64_t *ret_limit);
    void *context;
};

enum frame_verdict {
    FRAME_MORE,  /* all bytes are used up */
    FRAME_WHOLE, /* *ret_frame has what was wanted; it lives until the next call */
    FRAME_BAD,
};

/*
 * One step. Bytes used are taken off `bytes`. A frame whose end was skipped is WHOLE with no bytes.
 * `position`: of bytes.data[0].
 */
enum frame_verdict frame_take(struct frame *frame, const struct frame_rules *rules,
                              const struct emitter *emitter, uint64_t position, struct slice *bytes,
                              struct slice *ret_frame);
/* After WHOLE: the next bytes begin a frame. */
void frame_next(struct frame *frame);
/* At the end of a slice that ends at `position`: bytes to skip. */
uint64_t frame_ask_skip(struct frame *frame, uint64_t position);
/* Bytes are missing; false: the frame's end may be among them. */
bool frame_pass_gap(struct frame *frame, struct gap gap);
/* The direction ended at `position`: what was skipped until there has been seen. */
void frame_end(struct frame *frame, uint64_t position);
void frame_done(struct frame *frame);
