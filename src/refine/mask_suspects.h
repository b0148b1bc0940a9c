/* mask_suspects: the values of a record that may hold a secret. Private to refine/mask*.c. */
#pragma once
#include "model/record.h"

enum mask_look { MASK_LOOK_NOT, MASK_LOOK_TEXT, MASK_LOOK_HEADERS };

extern const uint8_t mask_looks[FIELD_COUNT]; /* how each field's values are looked at */

/* Values by their index in the record: texts from the front on, headers from behind. */
struct mask_suspects {
    uint8_t values[RECORD_VALUES_MAXIMUM];
    uint32_t text_count, first_header;
};

/*
 * All but the values of memos (record_has_memo_values), of the connection and its names, where
 * there is nothing to look for.
 */
void mask_suspects_find(const struct record *record, struct mask_suspects *ret_suspects);
