/* json_common: the text lies in the arena of the values, and dies with them. */
#include "encode/json_common.h"
#include "encode/encoder.h"
#include "encode/json_values.h"
#include "encode/put.h"

/* All fields, with what stands in between. The first value of each counts. */
static void put_fields(const struct common_values *common, struct json_text *text, uint8_t *start)
{
    const struct value *values[FIELD_COUNT] = {NULL};
    const uint8_t first = 0;
    uint8_t *at = start;

    for (uint32_t i = common->count; i-- > 0;)
        if (common->values[i].field < FIELD_COUNT && common->values[i].kind != VALUE_FLAGS)
            values[common->values[i].field] = &common->values[i];
    for (unsigned field = 0; field < JSON_PRESENT_WORDS * 64; field++) {
        text->offsets[field] = (uint16_t)(at - start);
        if (field >= FIELD_COUNT || !values[field])
            continue;
        text->present[field / 64] |= (uint64_t)1 << (field & 63);
        at = json_values_put(at, NULL, &values[field], &first, 1, &text->has_binary);
    }
    text->offsets[JSON_PRESENT_WORDS * 64] = (uint16_t)(at - start);
    text->bytes = slice_of(start, (size_t)(at - start));
}

const struct json_text *json_common_text(struct common_values *common)
{
    size_t longest = PUT_SLACK + PUT_PADDED;
    struct json_text *text;
    uint8_t *start = NULL;

    if (common->encoded_by)
        return common->encoded_by == &encoder_json ? common->encoded : NULL;
    common->encoded_by = &encoder_json;
    for (uint32_t i = 0; i < common->count; i++)
        longest += json_values_longest(NULL, &common->values[i]);
    text = longest <= UINT16_MAX ? arena_allocate(common->arena, sizeof(*text)) : NULL;
    if (text)
        start = arena_allocate(common->arena, longest);
    if (!start)
        return NULL;
    memset(text, 0, sizeof(*text));
    put_fields(common, text, start);
    arena_trim(common->arena, start + text->bytes.length, longest - text->bytes.length);
    common->encoded = text;
    return text;
}
