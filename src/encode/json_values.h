/* json_values: a record's values as members of a JSON object. Private to encode/json*.c. */
#pragma once
#include "encode/put.h"
#include "model/record.h"

enum {
    JSON_MEMBER_BYTES = PUT_PADDED + 48, /* a key, and a number, time, id or address in quotes */
    JSON_FLAGS_LONGEST = (RECORD_FLAG_COUNT + 2) * 48, /* bytes of the member that has the flags */
};

/* json_values_longest of a value that is a list. */
size_t json_values_longest_list(const struct record *record, const struct value *value);

/* Bytes that the value never exceeds with its key. `record`: whose it is; NULL: no record's. */
static inline size_t json_values_longest(const struct record *record, const struct value *value)
{
    if (value->kind == VALUE_TEXT)
        return JSON_MEMBER_BYTES + value->text.length * PUT_ESCAPED_FACTOR;
    if (value->kind <= VALUE_ADDRESS)
        return JSON_MEMBER_BYTES;
    return json_values_longest_list(record, value);
}

/*
 * Writes a comma, the key and the value of each of `count` values, of which `order` has the
 * numbers, and may scribble over PUT_SLACK bytes behind them. Sets *has_binary where bytes are not
 * UTF-8. Returns the place behind the last one.
 */
uint8_t *json_values_put(uint8_t *at, const struct record *record,
                         const struct value *const *values, const uint8_t *order, uint32_t count,
                         bool *has_binary);
/* The same for flags, of which there is one at least. */
uint8_t *json_values_put_flags(uint8_t *at, uint32_t flags);
