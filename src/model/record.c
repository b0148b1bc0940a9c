/*
 * record: values in insertion order, and a pool per thread. A pooled record keeps its arena's first
 * block, so that the common record costs no allocation. Reference counts are plain numbers: a
 * record never leaves the thread that made it (sinks get encoded bytes).
 */
#include "model/record.h"
#include <stdatomic.h>
#include "base/allocate.h"

enum {
    RECORD_FIRST_BLOCK = 4096, /* bytes; holds an ordinary exchange */
    RECORD_POOL_MAXIMUM = 256, /* records kept for the next use */
};

const struct field_description field_descriptions[FIELD_COUNT] = {
#define FIELD(identifier, name, kind, meaning) {name, meaning, VALUE_##kind},
#include "model/fields.def"
#undef FIELD
};

const uint8_t field_kinds[FIELD_COUNT] = {
#define FIELD(identifier, name, kind, meaning) VALUE_##kind,
#include "model/fields.def"
#undef FIELD
};

const char *const record_flag_names[RECORD_FLAG_COUNT] = {
#define FLAG(identifier, name, meaning) name,
#include "model/flags.def"
#undef FLAG
};

_Static_assert(RECORD_FLAG_COUNT <= 32, "flags are a 32-bit set");

static _Thread_local struct record *pool;
static _Thread_local size_t pool_count;

enum field_id field_find(struct slice name)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (slice_is_equal(name, slice_of_string(field_descriptions[i].name)))
            return (enum field_id)i;
    }
    return FIELD_COUNT;
}

static void record_free(struct record *record)
{
    arena_free(&record->arena);
    deallocate(record);
}

void record_pool_done(void)
{
    while (pool) {
        struct record *record = pool;
        pool = record->next;
        record_free(record);
    }
    pool_count = 0;
}

struct record *record_new(size_t maximum)
{
    struct record *record = pool;
    struct arena *arena;
    if (record) {
        pool = record->next;
        pool_count--;
        arena = record->arena;
        arena_set_maximum(arena, maximum);
    } else {
        record = allocate(sizeof(*record));
        if (!record)
            return NULL;
        arena = arena_new(RECORD_FIRST_BLOCK, maximum);
        if (!arena) {
            deallocate(record);
            return NULL;
        }
    }
    memset(record, 0, offsetof(struct record, values));
    record->arena = arena;
    record->reference_count = 1;
    return record;
}

struct record *record_ref(struct record *record)
{
    record->reference_count++;
    return record;
}

void record_unref(struct record **record)
{
    if (!record || !*record)
        return;
    struct record *dead = *record;
    *record = NULL;
    if (--dead->reference_count > 0)
        return;
    for (size_t i = 0; i < COMMON_VALUES_OF_RECORD; i++)
        common_values_unref(&dead->commons[i].common);
    for (size_t side = 0; side < 2; side++) {
        head_memo_unref(&dead->memos[side]);
        if (dead->likenesses[side])
            head_memo_unref(&dead->likenesses[side]->memo);
    }
    if (pool_count >= RECORD_POOL_MAXIMUM) {
        record_free(dead);
        return;
    }
    arena_reset(dead->arena);
    dead->next = pool;
    pool = dead;
    pool_count++;
}

bool record_add_address(struct record *record, enum field_id field, const struct address *address)
{
    struct value *value = record_add(record, field);
    if (value)
        value->address = address;
    return value;
}

bool record_add_headers(struct record *record, enum field_id field, struct header *headers,
                        uint32_t count)
{
    struct value *value = record_add(record, field);
    if (value) {
        value->headers = headers;
        value->count = count;
    }
    return value;
}

bool record_add_numbers(struct record *record, enum field_id field, const uint64_t *numbers,
                        uint32_t count)
{
    struct value *value = record_add(record, field);
    if (value) {
        value->numbers = numbers;
        value->count = count;
    }
    return value;
}

bool record_add_texts(struct record *record, enum field_id field, struct slice *texts,
                      uint32_t count)
{
    struct value *value = record_add(record, field);
    if (value) {
        value->texts = texts;
        value->count = count;
    }
    return value;
}

bool record_add_objects(struct record *record, enum field_id field, struct object *objects,
                        uint32_t count)
{
    struct value *value = record_add(record, field);
    if (value) {
        value->objects = objects;
        value->count = count;
    }
    return value;
}

bool record_add_common(struct record *record, unsigned number, struct common_values *common)
{
    if (record->value_count + common->count > RECORD_VALUES_MAXIMUM)
        return false;
    memcpy(&record->values[record->value_count], common->values,
           common->count * sizeof(*common->values));
    common_values_unref(&record->commons[number].common);
    record->commons[number] = (struct common_place){
        .common = common->reference_count ? common_values_ref(common) : common,
        .first = record->value_count,
    };
    record->value_count = (uint8_t)(record->value_count + common->count);
    return true;
}

void record_set_likeness(struct record *record, bool is_response, struct head_likeness *likeness)
{
    if (record->likenesses[is_response])
        head_memo_unref(&record->likenesses[is_response]->memo);
    record->likenesses[is_response] = likeness;
}

const struct value *record_find_const(const struct record *record, enum field_id field)
{
    for (size_t i = 0; i < record->value_count; i++) {
        if (record->values[i].field == field)
            return &record->values[i];
    }
    return NULL;
}

struct value *record_find(struct record *record, enum field_id field)
{
    return (struct value *)record_find_const(record, field);
}

uint64_t record_next_id(uint64_t time_ns)
{
    /* 42 bits of milliseconds, until the year 2109, and 22 of a counter. */
    static _Atomic uint32_t counter;

    return time_ns / 1000000 << 22 |
           (atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed) & 0x3fffff);
}
