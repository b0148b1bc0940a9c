/* json_layout: in which order the parts of a line stand. Private to encode/json*.c. */
#pragma once
#include "encode/json_common.h"
#include "model/record.h"

enum {
    JSON_OWN_MAXIMUM = RECORD_VALUES_MAXIMUM + 1, /* the time is none of the record's values */
    JSON_STEP_OWN = 255,
};

/* What makes up the line. A field is in one of the texts, or a value of its own. */
struct json_parts {
    const struct json_text *texts[COMMON_VALUES_OF_RECORD]; /* NULL: none */
    uint32_t own_count;
    uint32_t mix;                                 /* a hash of `kinds` */
    uint32_t kinds[JSON_OWN_MAXIMUM];             /* of each own value its field and kind */
    const struct value *values[JSON_OWN_MAXIMUM]; /* these */
    struct value time;
};

/* A stretch of a text: its offsets for `first` and `end`; or own values: numbers in `order`. */
struct json_step {
    uint8_t text; /* enum common_place_number or JSON_STEP_OWN */
    uint16_t first, end;
};

struct json_layout {
    uint64_t present[COMMON_VALUES_OF_RECORD][JSON_PRESENT_WORDS];
    uint32_t own_count, mix, step_count;
    uint32_t kinds[JSON_OWN_MAXIMUM];
    struct json_step steps[2 * JSON_OWN_MAXIMUM + COMMON_VALUES_OF_RECORD];
    uint8_t order[JSON_OWN_MAXIMUM]; /* own values as they stand in the line */
    uint8_t texts;                   /* bit n: there is a text n */
    bool is_made;
    bool is_mixed; /* texts have fields in common with others: they are of no use */
};

/* Borrowed, until the thread's next call. Records of one kind have the same. */
const struct json_layout *json_layout_of(const struct json_parts *parts);
