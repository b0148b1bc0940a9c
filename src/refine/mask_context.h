/* mask_context: what the files of the masking stage share. Private to refine/mask*.c. */
#pragma once
#include "model/record.h"
#include "refine/mask_digest.h"
#include "refine/mask_memory.h"
#include "refine/mask_places.h"

enum { CHANGED_MAXIMUM = 64 /* masked values that derived fields are compared with */ };

struct change {
    struct slice before, after;
};

struct mask_context {
    bool is_disabled;
    struct mask_digest *digest; /* NULL: no key */
    struct mask_patterns *patterns;
    struct mask_memory memory;
    struct mask_spans spans;
    struct change changes[CHANGED_MAXIMUM]; /* of the record at hand */
    size_t change_count;
    bool has_more_changes;
    unsigned triggers;         /* of the text that was looked at last, see mask_scan */
    struct slice clean_target; /* of the record at hand: its parts are clean as well; or empty */
    uint64_t generation;       /* differs from that of all other contexts; for memos of heads */
};

static inline bool is_inside(struct slice part, struct slice whole)
{
    uintptr_t start = (uintptr_t)part.data, outer = (uintptr_t)whole.data;

    return start >= outer && start + part.length <= outer + whole.length;
}

extern const struct slice mask_stars; /* what stands for a secret */

/* mask_text.c */
/* `text` with the ranges that were collected in mask->spans replaced. */
struct slice mask_text_rebuild(struct mask_context *mask, struct record *record, struct slice text);
/* `text`, or what stands for it when something in it is secret. */
struct slice mask_text_new(struct mask_context *mask, struct record *record, struct slice text,
                           enum mask_text kind, bool is_unknown);
/* The same for a text that may have come before. */
struct slice mask_text_replace(struct mask_context *mask, struct record *record, struct slice text,
                               enum mask_text kind, bool is_unknown);
/* The same for a request's target; notes whether its parts are clean when it is. */
struct slice mask_text_target(struct mask_context *mask, struct record *record,
                              struct slice target);
/* `target`: mask->clean_target. False: it has to be looked at. */
bool mask_text_is_clean_part(struct slice part, struct slice target);
