/*
 * mask_suspects: one look at each value's field. Those of a connection are judged once for all its
 * records.
 */
#include "refine/mask_suspects.h"

const uint8_t mask_looks[FIELD_COUNT] = {
    [FIELD_URL_ORIGINAL] = MASK_LOOK_TEXT,
    [FIELD_URL_DOMAIN] = MASK_LOOK_TEXT,
    [FIELD_URL_PATH] = MASK_LOOK_TEXT,
    [FIELD_URL_QUERY] = MASK_LOOK_TEXT,
    [FIELD_DB_QUERY_TEXT] = MASK_LOOK_TEXT,
    [FIELD_ERROR_MESSAGE] = MASK_LOOK_TEXT,
    [FIELD_DB_OPERATION_NAME] = MASK_LOOK_TEXT,
    [FIELD_DB_STATEMENT_NAME] = MASK_LOOK_TEXT,
    [FIELD_DB_NAMESPACE] = MASK_LOOK_TEXT,
    [FIELD_DB_COLLECTION_NAME] = MASK_LOOK_TEXT,
    [FIELD_DB_USER] = MASK_LOOK_TEXT,
    [FIELD_DB_CLIENT_NAME] = MASK_LOOK_TEXT,
    [FIELD_MESSAGING_CLIENT_ID] = MASK_LOOK_TEXT,
    [FIELD_HTTP_REQUEST_METHOD] = MASK_LOOK_TEXT,
    [FIELD_HTTP_RESPONSE_REASON] = MASK_LOOK_TEXT,
    [FIELD_MALFORMED_REASON] = MASK_LOOK_TEXT,
    [FIELD_USER_AGENT_ORIGINAL] = MASK_LOOK_TEXT,
    [FIELD_REQUEST_ID] = MASK_LOOK_TEXT,
    [FIELD_TRACE_ID] = MASK_LOOK_TEXT,
    [FIELD_SPAN_ID] = MASK_LOOK_TEXT,
    [FIELD_HTTP_REQUEST_HEADERS] = MASK_LOOK_HEADERS,
    [FIELD_HTTP_REQUEST_TRAILERS] = MASK_LOOK_HEADERS,
    [FIELD_HTTP_RESPONSE_HEADERS] = MASK_LOOK_HEADERS,
    [FIELD_HTTP_RESPONSE_TRAILERS] = MASK_LOOK_HEADERS,
};

/* All headers are in the table. */
#define IS_LISTED(field)                                                                           \
    ((field) == FIELD_HTTP_REQUEST_HEADERS || (field) == FIELD_HTTP_REQUEST_TRAILERS ||            \
     (field) == FIELD_HTTP_RESPONSE_HEADERS || (field) == FIELD_HTTP_RESPONSE_TRAILERS)
#define FIELD(identifier, name, kind, meaning)                                                     \
    _Static_assert(VALUE_##kind != VALUE_HEADERS || IS_LISTED(FIELD_##identifier),                 \
                   "headers that are not looked at");
#include "model/fields.def"
#undef FIELD

static bool is_harmless(struct common_values *common)
{
    if (common->is_judged)
        return common->is_harmless;
    common->is_judged = common->is_harmless = true;
    for (uint32_t i = 0; i < common->count; i++)
        common->is_harmless &= mask_looks[common->values[i].field] == MASK_LOOK_NOT;
    return common->is_harmless;
}

static void find_suspects(const struct record *record, uint32_t at, uint32_t end,
                          struct mask_suspects *suspects)
{
    for (; at < end; at++) {
        unsigned look = mask_looks[record->values[at].field];

        if (look == MASK_LOOK_TEXT)
            suspects->values[suspects->text_count++] = (uint8_t)at;
        else if (look == MASK_LOOK_HEADERS)
            suspects->values[--suspects->first_header] = (uint8_t)at;
    }
}

void mask_suspects_find(const struct record *record, struct mask_suspects *suspects)
{
    static const enum common_place_number passed[] = {COMMON_OF_CONNECTION, COMMON_OF_NAMES};
    uint32_t at = 0;

    suspects->text_count = 0;
    suspects->first_header = RECORD_VALUES_MAXIMUM;
    for (unsigned side = 0; side < 2; side++) {
        if (!record_has_memo_values(record, side))
            continue;
        if (at > record->memo_values[side])
            continue; /* out of order: nothing is lost by a second look */
        find_suspects(record, at, record->memo_values[side], suspects);
        at = record->memo_values[side] + record->memos[side]->value_count;
    }
    for (size_t i = 0; i < sizeof(passed) / sizeof(*passed); i++) {
        const struct common_place *place = &record->commons[passed[i]];

        if (!place->common || place->first < at || !is_harmless(place->common))
            continue;
        find_suspects(record, at, place->first, suspects);
        at = place->first + place->common->count;
    }
    find_suspects(record, at, record->value_count, suspects);
}
