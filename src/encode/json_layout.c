/*
 * json_layout: the order in which parts stand depends on nothing but the fields of each, so it is
 * found out once for all records that have the same. The layouts of late are kept, each in the
 * place that a hash of the fields says.
 */
#include "encode/json_layout.h"

enum { LAYOUTS = 8 /* a power of two */ };

static bool is_same(const struct json_layout *layout, const struct json_parts *parts)
{
    if (!layout->is_made || layout->mix != parts->mix || layout->own_count != parts->own_count)
        return false;
    for (unsigned i = 0; i < COMMON_VALUES_OF_RECORD; i++) {
        const struct json_text *text = parts->texts[i];

        if ((text != NULL) != (layout->texts >> i & 1))
            return false;
        if (text)
            for (unsigned word = 0; word < JSON_PRESENT_WORDS; word++)
                if (text->present[word] != layout->present[i][word])
                    return false;
    }
    return memcmp(layout->kinds, parts->kinds, parts->own_count * sizeof(*parts->kinds)) == 0;
}

/* The first of each field counts, so no field may be in two places. */
static bool is_mixed(const struct json_layout *layout, const uint64_t *own)
{
    uint64_t common = 0;

    for (unsigned word = 0; word < JSON_PRESENT_WORDS; word++) {
        uint64_t seen = own[word];

        for (unsigned i = 0; i < COMMON_VALUES_OF_RECORD; i++) {
            common |= seen & layout->present[i][word];
            seen |= layout->present[i][word];
        }
    }
    return common;
}

/* The field's place in a text, or its own value, behind what stands in front. */
static void add_field(struct json_layout *layout, unsigned field, uint8_t text, uint32_t *own_count,
                      uint8_t own)
{
    struct json_step *last = &layout->steps[layout->step_count - (layout->step_count > 0)];
    uint16_t first = (uint16_t)field;

    if (text == JSON_STEP_OWN) {
        first = (uint16_t)*own_count;
        layout->order[(*own_count)++] = own;
    }
    /* Between two fields of a text that follow each other here it has no other one. */
    if (layout->step_count && last->text == text) {
        last->end = (uint16_t)(first + 1);
        return;
    }
    layout->steps[layout->step_count++] =
        (struct json_step){.text = text, .first = first, .end = (uint16_t)(first + 1)};
}

static void add_steps(struct json_layout *layout, const uint64_t *present, const uint8_t *numbers)
{
    uint32_t own_count = 0;

    layout->step_count = 0;
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        unsigned word = field / 64, bit = field & 63;

        if (present[word] >> bit & 1)
            add_field(layout, field, JSON_STEP_OWN, &own_count, numbers[field]);
        for (unsigned i = 0; i < COMMON_VALUES_OF_RECORD; i++)
            if (layout->present[i][word] >> bit & 1)
                add_field(layout, field, (uint8_t)i, &own_count, 0);
    }
}

static void make(struct json_layout *layout, const struct json_parts *parts)
{
    uint64_t own[JSON_PRESENT_WORDS] = {0};
    uint8_t numbers[FIELD_COUNT];

    memset(layout->present, 0, sizeof(layout->present));
    layout->texts = 0;
    layout->mix = parts->mix;
    layout->own_count = parts->own_count;
    memcpy(layout->kinds, parts->kinds, parts->own_count * sizeof(*parts->kinds));
    for (unsigned i = 0; i < COMMON_VALUES_OF_RECORD; i++) {
        if (!parts->texts[i])
            continue;
        layout->texts |= (uint8_t)(1u << i);
        memcpy(layout->present[i], parts->texts[i]->present, sizeof(layout->present[i]));
    }
    for (uint32_t i = 0; i < parts->own_count; i++) {
        const struct value *value = parts->values[i];
        uint64_t bit = (uint64_t)1 << (value->field & 63);

        if (value->field >= FIELD_COUNT || value->kind == VALUE_FLAGS ||
            own[value->field / 64] & bit)
            continue;
        own[value->field / 64] |= bit;
        numbers[value->field] = (uint8_t)i;
    }
    layout->is_mixed = is_mixed(layout, own);
    if (!layout->is_mixed)
        add_steps(layout, own, numbers);
    layout->is_made = true;
}

const struct json_layout *json_layout_of(const struct json_parts *parts)
{
    static _Thread_local struct json_layout layouts[LAYOUTS];
    struct json_layout *layout =
        &layouts[(parts->mix * UINT32_C(0x9E3779B1) >> 16) & (LAYOUTS - 1)];

    if (!is_same(layout, parts))
        make(layout, parts);
    return layout;
}
