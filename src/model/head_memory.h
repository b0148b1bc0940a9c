/*
 * head_memory: heads that came before, byte for byte, with what each stage found out of them.
 * Programs send the same head again and again; to compare it is cheaper than to take it apart, mask
 * and escape it anew. A head is kept when it comes a second time. Heads are compared as a whole, so
 * nothing is ever taken for another; two with one hash cost time, nothing else.
 *
 * Of heads of which no two are the same most lines are: now and then one is kept as a pattern, and
 * what comes later is set beside it line by line (struct head_likeness).
 *
 * A memo is shared by the table and by the records made from it, and dies with the last of them.
 * Stages add to it, and never change what is there. One memory belongs to one thread.
 */
#pragma once
#include "base/arena.h"
#include "model/common_values.h"

enum {
    HEAD_MEMORY_SLOTS = 256,       /* a power of two */
    HEAD_MEMORY_SHORTEST = 16,     /* bytes of a head that is kept */
    HEAD_MEMORY_LONGEST = 2048,    /* the same */
    HEAD_MEMORY_PADDING = 16,      /* zero bytes that may be read behind a head */
    HEAD_MEMO_MAXIMUM = 32 * 1024, /* bytes that one memo may take */
};

struct header;
struct value;

/* A header's value before and after masking. */
struct head_change {
    struct slice before, after;
};

struct head_memo {
    uint32_t reference_count;
    uint32_t kind;   /* the parser's: requests are not responses */
    bool is_stale;   /* made for options that are no longer in force: to be replaced */
    bool is_pattern; /* the parser's: later heads may be set beside it */
    uint32_t uses;   /* as a pattern */
    uint64_t hash;
    uint64_t number;     /* no other memo of that memory has it */
    struct arena *arena; /* holds all that is below */
    struct slice bytes;

    /* The parser's: the head taken apart, and the fields that a record gets of it. */
    const void *parsed;
    const struct value *values;
    uint32_t value_count;
    uint32_t headers_at; /* which of them the headers are; value_count: there are none */

    /* The masking stage's; `masked_by` 0: not yet. */
    uint64_t masked_by;
    const struct header *shown; /* the headers as they may be shown */
    const struct head_change *changes;
    uint32_t change_count;
    uint32_t flags;   /* that masking the headers sets */
    uint64_t changed; /* bit n: header n of `shown` was; of a pattern, which has up to 64 */
    struct common_values masked; /* `values`, masked; none: not yet */
    uint32_t value_flags;

    /* The encoder's: `shown` as text. */
    const void *encoded_by; /* NULL: not yet */
    struct slice encoded;
    const uint32_t *offsets; /* of a pattern: where in `encoded` each header begins, and the end */
    bool has_binary;
};

enum {
    HEAD_LINES_MAXIMUM = 64, /* headers of a pattern, and of what is set beside it */
    HEAD_LINE_DIFFERS = 255, /* no line of the pattern is the same */
};

/* Headers that follow each other, and the lines of a pattern that are the same. */
struct head_run {
    uint8_t line;  /* of the first, ascending from run to run; HEAD_LINE_DIFFERS: none is */
    uint8_t count; /* 1 where none is the same */
};

/* One bit for each of the first `count` lines. */
static inline uint64_t head_line_bits(uint32_t count)
{
    return count < HEAD_LINES_MAXIMUM ? ((uint64_t)1 << count) - 1 : ~UINT64_C(0);
}

/*
 * Headers of a record beside those of a pattern. Names and values of lines that are the same lie in
 * the memo's bytes, not in the record's arena.
 */
struct head_likeness {
    struct head_memo *memo;
    const struct header *shown; /* the record's headers, as soon as they are masked: those of lines
                                   that are the same are as the memo shows them; NULL: not so */
    uint32_t count;             /* headers */
    uint32_t run_count;
    struct head_run runs[];
};

struct head_memory_counters {
    uint64_t found, missed;
    uint64_t kept;    /* memos made */
    uint64_t evicted; /* memos that made room for others */
    uint64_t alike;   /* heads that were set beside a pattern */
};

struct head_memory;

/* NULL: out of memory. */
struct head_memory *head_memory_new(void);
void head_memory_free(struct head_memory **memory);

/* The memo of a head with exactly these bytes, borrowed; NULL: none. `memory` may be NULL. */
struct head_memo *head_memory_find(struct head_memory *memory, unsigned kind, struct slice bytes);
/*
 * After find said NULL for the same bytes, which are one whole head: a memo to be filled, borrowed.
 * NULL: it has not come before, is not worth it, or memory is out.
 */
struct head_memo *head_memory_add(struct head_memory *memory, unsigned kind, struct slice bytes);
/* As find, where no more is done than to look at the likeliest place. */
struct head_memo *head_memory_guess(struct head_memory *memory, unsigned kind, struct slice bytes);

/*
 * What heads of this kind may be set beside, borrowed; NULL: nothing. *hint, at first 0, remembers
 * what fitted last.
 */
struct head_memo *head_memory_pattern(struct head_memory *memory, unsigned kind, uint8_t *hint);
/*
 * Is it time for another pattern? Now and then, where there is none that fits (NULL), or it has
 * been used for long.
 */
bool head_memory_wants_pattern(struct head_memory *memory, struct head_memo *pattern);
/* A memo of a head that is new, to be filled, for *hint; NULL: it is not worth it, or no memory. */
struct head_memo *head_memory_keep(struct head_memory *memory, unsigned kind, struct slice bytes,
                                   uint8_t *hint);
/*
 * A head was set beside a pattern; `hash` is made of what differs. True: one with the same hash was
 * lately, so that this one may have come before.
 */
bool head_memory_note_alike(struct head_memory *memory, uint64_t hash);

/*
 * A memo that was there before, by its hash and number, borrowed; NULL: it is no longer there, or
 * of no use.
 */
struct head_memo *head_memory_recall(struct head_memory *memory, uint64_t hash, uint64_t number);

/* The memo that was added could not be filled. */
void head_memory_forget(struct head_memory *memory, const struct head_memo *memo);

const struct head_memory_counters *head_memory_counters(const struct head_memory *memory);

static inline struct head_memo *head_memo_ref(struct head_memo *memo)
{
    memo->reference_count++;
    return memo;
}
void head_memo_unref(struct head_memo **memo);
/*
 * The values that a record got of the head, for later ones. All of them point into the memo's
 * arena, or to what lives for ever.
 */
void head_memo_keep_values(struct head_memo *memo, const struct value *first, uint32_t count);
