/*
 * record: one finished observation. Built in one arena by the parser that saw it, completed by
 * refine/, immutable afterwards, and dead as a whole when its last user lets go.
 *
 * A record is a short list of values in insertion order; the field table (model/fields.def) gives
 * each its name and kind. Text values are slices into the record's arena or static memory.
 */
#pragma once
#include "base/arena.h"
#include "model/address.h"
#include "model/common_values.h"
#include "model/head_memory.h"

enum field_id {
#define FIELD(identifier, name, kind, meaning) FIELD_##identifier,
#include "model/fields.def"
#undef FIELD
    FIELD_COUNT
};

enum value_kind {
    VALUE_TEXT,    /* text: raw bytes as on the wire */
    VALUE_NUMBER,  /* number */
    VALUE_TIME,    /* number: nanoseconds since 1970-01-01 UTC */
    VALUE_ID,      /* number: printed as 16 hex digits in a string */
    VALUE_ADDRESS, /* address */
    VALUE_HEADERS, /* headers[count] */
    VALUE_NUMBERS, /* numbers[count] */
    VALUE_TEXTS,   /* texts[count]: an array of strings */
    VALUE_OBJECTS, /* objects[count]: an array of flat objects */
    VALUE_FLAGS, /* number: bit set of enum record_flag; not stored as a value, see record.flags */
};

enum record_flag {
#define FLAG(identifier, name, meaning) RECORD_FLAG_##identifier,
#include "model/flags.def"
#undef FLAG
    RECORD_FLAG_COUNT
};

struct field_description {
    const char *name;    /* as users see it */
    const char *meaning; /* one line for the reference page */
    enum value_kind kind;
};
extern const struct field_description field_descriptions[FIELD_COUNT];
extern const uint8_t field_kinds[FIELD_COUNT]; /* enum value_kind, for speed */
extern const char *const record_flag_names[RECORD_FLAG_COUNT];

/* FIELD_COUNT when no field has that name. */
enum field_id field_find(struct slice name);

struct header {
    struct slice name;  /* as sent */
    struct slice value; /* without surrounding white space; obs-fold kept as it was on the wire */
};

/* One member of a small object inside a record, such as the ttl of a DNS answer. */
struct member {
    const char *name; /* static; lower-case letters and _ */
    struct slice text;
    uint64_t number;
    bool is_number; /* number, else text */
};

struct object {
    const struct member *members;
    uint32_t count;
};

struct value {
    uint16_t field; /* enum field_id */
    uint16_t kind;  /* enum value_kind */
    uint32_t count; /* of headers, numbers, texts or objects */
    union {
        struct slice text;
        uint64_t number;
        const struct address *address;
        struct header *headers; /* refine/ may replace values until the record is final */
        const uint64_t *numbers;
        struct slice *texts; /* refine/ may replace values until the record is final */
        struct object *objects;
    };
};

/* A digest that the kernel computed of a value before it overwrote it (HMAC mode). */
struct masked_value {
    uint64_t position; /* of the value's first byte in its stream */
    uint64_t digest;   /* the first 8 bytes of HMAC-SHA-256(key, value), big endian */
};

/* The bytes of one head as they were captured; header slices point into it. */
struct record_head {
    struct slice bytes;                /* in the record's arena */
    uint64_t position;                 /* stream position of bytes.data[0] */
    const struct masked_value *masked; /* sorted by position; in the arena */
    uint32_t masked_count;
};

enum { RECORD_VALUES_MAXIMUM = 160 };

struct record {
    struct arena *arena;
    struct record_head heads[2];         /* request, response */
    struct head_memo *memos[2];          /* what is remembered of the same heads; NULL: nothing */
    struct head_likeness *likenesses[2]; /* or of those that are like them; in the arena */
    uint32_t flags;                      /* bit set of enum record_flag */
    uint32_t reference_count;
    bool is_masked; /* refine/ has seen it; no sink takes a record without */
    uint8_t value_count;
    /* Of each memo: from this index on are its values; RECORD_VALUES_MAXIMUM: they are not. */
    uint8_t memo_values[2];
    uint64_t time_ns;          /* request's first byte; response's where the request was not seen */
    uint64_t response_time_ns; /* response's first byte, 0: none */
    uint64_t end_time_ns;      /* response's last byte, 0: not seen */
    uint64_t waited_ns;        /* the request in the socket of the end that read it; 0: not known */
    struct common_place commons[COMMON_VALUES_OF_RECORD]; /* by enum common_place_number */
    uint64_t data_packets[2]; /* of a connection: with payload, of client and server */
    uint64_t datagram;        /* what tells it from others, see track/datagram_pairs.c */
    struct record *next;      /* free for whoever holds the record in a list */
    struct value values[RECORD_VALUES_MAXIMUM];
};

/* A new record, or NULL when memory is out. `maximum`: bytes its arena may hold. Pooled per thread.
 */
struct record *record_new(size_t maximum);
struct record *record_ref(struct record *record);
void record_unref(struct record **record);
/*
 * The next value of the field id: sorted by time, unique within this process, and the same in each
 * run over the same events.
 */
uint64_t record_next_id(uint64_t time_ns);
/* Gives the pool's memory back (tests, end of a thread). */
void record_pool_done(void);

/* A place for one value, of kind and count 1; NULL when the record is full. */
static inline struct value *record_add(struct record *record, enum field_id field)
{
    struct value *value = &record->values[record->value_count];

    if (record->value_count >= RECORD_VALUES_MAXIMUM)
        return NULL;
    record->value_count++;
    value->field = (uint16_t)field;
    value->kind = (uint16_t)field_kinds[field];
    value->count = 1;
    return value;
}

/* What a kept value's kind leaves unused is 0: record_has_common compares all of it. */
static inline void values_settle(struct value *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (values[i].kind != VALUE_TEXT)
            values[i].text.length = 0;
}

/* Each adds one value; false (and nothing added) when the record is full. */
static inline bool record_add_text(struct record *record, enum field_id field, struct slice text)
{
    struct value *value = record_add(record, field);

    if (value)
        value->text = text;
    return value;
}

static inline bool record_add_number(struct record *record, enum field_id field, uint64_t number)
{
    struct value *value = record_add(record, field);

    if (value)
        value->number = number;
    return value;
}

bool record_add_address(struct record *record, enum field_id field, const struct address *address);
bool record_add_headers(struct record *record, enum field_id field, struct header *headers,
                        uint32_t count);
bool record_add_numbers(struct record *record, enum field_id field, const uint64_t *numbers,
                        uint32_t count);

/* The arrays are borrowed: in the record's arena or static. */
bool record_add_texts(struct record *record, enum field_id field, struct slice *texts,
                      uint32_t count);
bool record_add_objects(struct record *record, enum field_id field, struct object *objects,
                        uint32_t count);

/*
 * Adds all of them, and notes with a reference of its own where they are in the record. False (and
 * nothing added) when there is no room for them.
 */
bool record_add_common(struct record *record, unsigned number, struct common_values *common);
/* Are the record's values in that place still those that were added? */
static inline bool record_has_common(const struct record *record, unsigned number)
{
    const struct common_place *place = &record->commons[number];

    return place->common && place->first + place->common->count <= record->value_count &&
           memcmp(&record->values[place->first], place->common->values,
                  place->common->count * sizeof(struct value)) == 0;
}

/* The first value of that field, or NULL. */
struct value *record_find(struct record *record, enum field_id field);
const struct value *record_find_const(const struct record *record, enum field_id field);

/* The same, quick where the value stands at that place. */
static inline const struct value *record_find_at(const struct record *record, enum field_id field,
                                                 uint32_t place)
{
    return place < record->value_count && record->values[place].field == field
               ? &record->values[place]
               : record_find_const(record, field);
}

/* The likeness, with its reference to a memo, becomes the record's. */
void record_set_likeness(struct record *record, bool is_response, struct head_likeness *likeness);

/* The pattern that the headers of this value are like; NULL: none, or they are others. */
static inline struct head_likeness *record_likeness(const struct record *record,
                                                    const struct value *value)
{
    if (value->field == FIELD_HTTP_REQUEST_HEADERS)
        return record->likenesses[0];
    return value->field == FIELD_HTTP_RESPONSE_HEADERS ? record->likenesses[1] : NULL;
}

/* What is remembered of the head whose headers this value is; NULL: nothing, or they are others. */
static inline struct head_memo *record_memo(const struct record *record, const struct value *value)
{
    if (value->field == FIELD_HTTP_REQUEST_HEADERS)
        return record->memos[0];
    return value->field == FIELD_HTTP_RESPONSE_HEADERS ? record->memos[1] : NULL;
}

/* Are the values that a memo keeps in the record, from record->memo_values[side] on? */
static inline bool record_has_memo_values(const struct record *record, unsigned side)
{
    const struct head_memo *memo = record->memos[side];

    return memo && memo->values && record->memo_values[side] < RECORD_VALUES_MAXIMUM;
}

/* The values that the side's memo keeps become the record's; false: none, or there is no room. */
static inline bool record_share_memo_values(struct record *record, unsigned side)
{
    const struct head_memo *memo = record->memos[side];
    uint32_t first = record->value_count;

    if (!memo->values || first + memo->value_count > RECORD_VALUES_MAXIMUM)
        return false;
    memcpy(&record->values[first], memo->values, memo->value_count * sizeof(*memo->values));
    record->value_count = (uint8_t)(first + memo->value_count);
    record->memo_values[side] = (uint8_t)first;
    return true;
}

/* The record's values from `first` on are all that its memo's head says: the memo keeps them. */
static inline void record_keep_memo_values(struct record *record, unsigned side, uint32_t first)
{
    struct head_memo *memo = record->memos[side];

    if (!memo->values)
        head_memo_keep_values(memo, &record->values[first], record->value_count - first);
    if (memo->values)
        record->memo_values[side] = (uint8_t)first;
}

static inline void record_set_flag(struct record *record, enum record_flag flag)
{
    record->flags |= 1u << flag;
}
static inline bool record_has_flag(const struct record *record, enum record_flag flag)
{
    return record->flags & (1u << flag);
}
