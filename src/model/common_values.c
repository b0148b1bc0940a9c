/* common_values: a block of memory that holds the values, what they point to, and what is added. */
#include "model/common_values.h"
#include "base/allocate.h"
#include "model/record.h"

enum {
    FIRST_BLOCK = 4096, /* the values of a connection between two processes, with their text */
    COMMON_VALUES_BYTES = 32 * 1024,
};

void common_values_free(struct common_values *common)
{
    common_values_unref(&common->names);
    arena_free(&common->arena);
    deallocate(common);
}

static bool copy_texts(struct arena *arena, struct value *value)
{
    struct slice *texts = arena_allocate(arena, value->count * sizeof(*texts));

    for (uint32_t i = 0; i < value->count && texts; i++) {
        texts[i] = arena_copy(arena, value->texts[i]);
        if (value->texts[i].length && !texts[i].data)
            return false;
    }
    value->texts = texts;
    return texts != NULL;
}

/* What the value points to, into the arena. False: no memory. */
static bool copy_target(struct arena *arena, struct value *value)
{
    if (value->kind == VALUE_TEXT && value->text.length) {
        value->text = arena_copy(arena, value->text);
        return value->text.data != NULL;
    }
    if (value->kind == VALUE_TEXTS)
        return copy_texts(arena, value);
    if (value->kind == VALUE_ADDRESS) {
        struct address *address = arena_allocate(arena, sizeof(*address));

        if (!address)
            return false;
        *address = *value->address;
        value->address = address;
    }
    return true;
}

struct common_values *common_values_new(const struct value *values, uint32_t count)
{
    struct common_values *common = allocate_zeroed(sizeof(*common));
    struct value *copies;
    bool is_whole;

    if (!common)
        return NULL;
    common->reference_count = 1;
    common->arena = arena_new(FIRST_BLOCK, COMMON_VALUES_BYTES);
    copies = common->arena ? arena_allocate(common->arena, count * sizeof(*copies)) : NULL;
    is_whole = copies != NULL;
    for (uint32_t i = 0; i < count && is_whole; i++) {
        copies[i] = values[i];
        is_whole = copy_target(common->arena, &copies[i]);
    }
    if (!is_whole) {
        common_values_free(common);
        return NULL;
    }
    values_settle(copies, count);
    common->values = copies;
    common->count = count;
    return common;
}
