/* json_common: values that many records have, as text. Private to encode/json*.c. */
#pragma once
#include "model/record.h"

enum { JSON_PRESENT_WORDS = (FIELD_COUNT + 63) / 64 };

struct json_text {
    uint64_t present[JSON_PRESENT_WORDS];          /* a set of fields */
    uint16_t offsets[JSON_PRESENT_WORDS * 64 + 1]; /* where that field is, or the next one behind */
    bool has_binary;
    struct slice bytes; /* of each field a comma, the key and the value, in order */
};

/* Their text, made when it is asked for the first time; NULL: it cannot be kept. */
const struct json_text *json_common_text(struct common_values *common);
