/*
 * hpack: header blocks (RFC 7541 §3, §6). A block may come in any pieces; each representation is
 * decoded as soon as it is complete. What breaks the rules is passed over when it is clear where it
 * ends; when it is not, the rest of the block and the table are given up.
 */
#include "parse/hpack.h"

enum {
    INTEGER_MAXIMUM_BYTES = 6, /* behind the prefix: 2^32 and leading zeros */
    ENTRY_OVERHEAD = 32,
    CODE_LONGEST = 30, /* bits; so a Huffman string has at least 8/30 of its code's length */
};

enum kind { KIND_INDEXED, KIND_INSERTED, KIND_RESIZE, KIND_PLAIN };

/* A string as it stands in the block. */
struct string {
    struct slice bytes;
    bool is_coded;
};

/* One representation. */
struct representation {
    enum kind kind;
    uint64_t index; /* of the field or the name; 0: the name is a string. KIND_RESIZE: the size */
    struct string name, value;
    size_t length; /* bytes of it all */
};

enum read { READ_DONE, READ_MORE, READ_BROKEN, READ_LONG };

/* Where reading stands in a block. */
struct cursor {
    struct slice bytes;
    size_t at;
    size_t need;     /* READ_MORE: bytes that are missing at least */
    uint64_t length; /* READ_LONG: of the string */
    bool is_coded;   /* READ_LONG */
};

/* An integer with a prefix of `prefix` bits (§5.1). */
static inline enum read read_integer(struct cursor *cursor, unsigned prefix, uint64_t *ret_number)
{
    uint8_t mask = (uint8_t)((1u << prefix) - 1);
    cursor->need = 1;
    if (cursor->at == cursor->bytes.length)
        return READ_MORE;
    uint64_t number = cursor->bytes.data[cursor->at++] & mask;
    if (number == mask) {
        uint8_t byte;
        unsigned shift = 0;
        do {
            if (cursor->at == cursor->bytes.length)
                return READ_MORE;
            byte = cursor->bytes.data[cursor->at++];
            if (shift >= INTEGER_MAXIMUM_BYTES * 7)
                return READ_BROKEN;
            number += (uint64_t)(byte & 127) << shift;
            shift += 7;
        } while (byte & 128);
    }
    *ret_number = number;
    return READ_DONE;
}

/* A string (§5.2), not decoded. */
static inline enum read read_string(struct cursor *cursor, struct string *ret_string)
{
    uint64_t length;
    size_t start = cursor->at;
    enum read result = read_integer(cursor, 7, &length);
    if (result != READ_DONE)
        return result;
    cursor->is_coded = cursor->bytes.data[start] & 128;
    if (length > HPACK_STRING_MAXIMUM) {
        cursor->length = length;
        return READ_LONG;
    }
    size_t left = cursor->bytes.length - cursor->at;
    if (length > left) {
        cursor->need = (size_t)length - left;
        return READ_MORE;
    }
    *ret_string =
        (struct string){slice_part(cursor->bytes, cursor->at, (size_t)length), cursor->is_coded};
    cursor->at += (size_t)length;
    return READ_DONE;
}

/*
 * One representation (§6). READ_LONG: the string at the cursor is longer than what is kept; then
 * `name.bytes.data` tells, with `index`, whether it is the name.
 */
static inline enum read read_representation(struct cursor *cursor, struct representation *ret)
{
    size_t start = cursor->at;
    uint8_t first = cursor->bytes.data[start];
    unsigned prefix = first & 128 ? 7 : first & 64 ? 6 : first & 32 ? 5 : 4;
    ret->kind = first & 128  ? KIND_INDEXED
                : first & 64 ? KIND_INSERTED
                : first & 32 ? KIND_RESIZE
                             : KIND_PLAIN;
    ret->name = ret->value = (struct string){0};
    enum read result = read_integer(cursor, prefix, &ret->index);
    if (result == READ_DONE && (ret->kind == KIND_INSERTED || ret->kind == KIND_PLAIN)) {
        if (ret->index == 0)
            result = read_string(cursor, &ret->name);
        if (result == READ_DONE)
            result = read_string(cursor, &ret->value);
    }
    ret->length = cursor->at - start;
    return result;
}

/* False: the code is broken. */
static inline bool put_string(struct string string, uint8_t *text, size_t *ret_length)
{
    if (string.is_coded)
        return hpack_huffman_decode(string.bytes, text, ret_length);
    if (string.bytes.length)
        memcpy(text, string.bytes.data, string.bytes.length);
    *ret_length = string.bytes.length;
    return true;
}

static inline size_t room_of(struct string string)
{
    return string.is_coded ? hpack_huffman_room(string.bytes.length) : string.bytes.length;
}

/* The least that a string has when it is decoded. */
static inline uint64_t least_of(uint64_t length, bool is_coded)
{
    return is_coded ? length * 8 / CODE_LONGEST : length;
}

/* The name and value, decoded one behind the other. */
struct pair {
    struct hpack_field name; /* of the index, when there is one */
    size_t name_length, value_length;
    bool is_name_known, is_value_known;
};

/* The name by its index, or its string; then the value. */
static inline void put_pair(struct hpack_list *list, const struct representation *at, uint8_t *text,
                            struct pair *pair)
{
    if (at->index) {
        if (pair->is_name_known && pair->name.name.length)
            memcpy(text, pair->name.name.data, pair->name.name.length);
        pair->name_length = pair->is_name_known ? pair->name.name.length : 0;
    } else {
        pair->is_name_known = put_string(at->name, text, &pair->name_length);
        if (!pair->is_name_known) {
            list->is_malformed = true;
            pair->name_length = 0;
        }
    }
    pair->is_value_known = put_string(at->value, text + pair->name_length, &pair->value_length);
    if (!pair->is_value_known) {
        list->is_malformed = true;
        pair->value_length = 0;
    }
}

static void tell_unknown(struct hpack_list *list, bool is_invalid)
{
    if (is_invalid)
        list->is_malformed = true;
    else
        list->is_partial = true;
}

static inline struct pair pair_of(struct hpack_decoder *decoder, const struct representation *at,
                                  struct hpack_list *list)
{
    struct pair pair = {0};
    if (at->index) {
        pair.name = hpack_table_find(&decoder->table, at->index);
        pair.is_name_known = pair.name.is_name_known;
        if (!pair.is_name_known)
            tell_unknown(list, pair.name.is_invalid);
    }
    return pair;
}

/* A literal that makes no entry (§6.2.2, §6.2.3): decoded where the list wants it. */
static void take_plain(struct hpack_decoder *decoder, const struct representation *at,
                       struct hpack_list *list)
{
    struct pair pair = pair_of(decoder, at, list);
    size_t name_room = at->index ? pair.name.name.length : room_of(at->name);
    if (at->index && !pair.is_name_known)
        return;
    if (!hpack_list_is_open(list, at->index ? name_room : 0))
        return;
    uint8_t *text = hpack_list_reserve(list, name_room + room_of(at->value));
    if (!text)
        return;
    put_pair(list, at, text, &pair);
    if (pair.is_name_known && pair.is_value_known)
        hpack_list_commit(list, pair.name_length, pair.value_length);
}

/* The entry is not kept, but it takes its place. */
static void insert_unknown(struct hpack_decoder *decoder, struct hpack_list *list, uint64_t size)
{
    struct hpack_entry entry = {.size = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX};
    list->is_starved |= !hpack_table_insert(&decoder->table, entry);
}

/* A literal that becomes the newest entry (§6.2.1): decoded into the table, then copied. */
static void take_inserted(struct hpack_decoder *decoder, const struct representation *at,
                          struct hpack_list *list)
{
    struct hpack_table *table = &decoder->table;
    struct pair pair = pair_of(decoder, at, list);
    uint64_t least = least_of(at->value.bytes.length, at->value.is_coded) + ENTRY_OVERHEAD;
    least += at->index ? pair.name.name.length : least_of(at->name.bytes.length, at->name.is_coded);
    if (least > table->maximum || least > HPACK_TABLE_KEPT) {
        take_plain(decoder, at, list);
        insert_unknown(decoder, list, least);
        return;
    }
    size_t name_room = at->index ? pair.name.name.length : room_of(at->name);
    uint8_t *text = hpack_table_reserve(table, name_room + room_of(at->value));
    if (!text) {
        take_plain(decoder, at, list);
        hpack_table_forget(table);
        list->is_starved = true;
        return;
    }
    if (at->index) /* making room may have moved it */
        pair.name = hpack_table_find(table, at->index);
    put_pair(list, at, text, &pair);
    struct hpack_entry entry = {
        .name_length = (uint32_t)pair.name_length,
        .value_length = (uint32_t)pair.value_length,
        .is_name_known = pair.is_name_known,
        .is_value_known = pair.is_value_known,
        .size = (uint32_t)(pair.name_length + pair.value_length) + ENTRY_OVERHEAD,
    };
    if (pair.is_name_known && pair.is_value_known)
        hpack_list_add(list, slice_of(text, pair.name_length),
                       slice_of(text + pair.name_length, pair.value_length));
    if (pair.name_length + pair.value_length > HPACK_TABLE_KEPT)
        insert_unknown(decoder, list, entry.size);
    else
        list->is_starved |= !hpack_table_insert(table, entry);
}

static inline void take(struct hpack_decoder *decoder, const struct representation *at,
                        struct hpack_list *list)
{
    if (at->kind == KIND_RESIZE) {
        list->is_malformed |= list->has_begun;
        hpack_table_resize(&decoder->table, at->index);
        return;
    }
    list->has_begun = true;
    if (at->kind == KIND_INDEXED) {
        struct hpack_field field = hpack_table_find(&decoder->table, at->index);
        if (field.is_name_known && field.is_value_known)
            hpack_list_add(list, field.name, field.value);
        else
            tell_unknown(list, field.is_invalid);
    } else if (at->kind == KIND_INSERTED) {
        take_inserted(decoder, at, list);
    } else {
        take_plain(decoder, at, list);
    }
}

static void give_up(struct hpack_decoder *decoder, struct hpack_list *list)
{
    list->is_malformed = true;
    decoder->is_lost = true;
    decoder->tail.length = 0;
    decoder->need = 0;
    hpack_table_forget(&decoder->table);
}

/* A string that is too long to be kept begins at the cursor's end. */
static void start_skip(struct hpack_decoder *decoder, const struct cursor *cursor,
                       const struct representation *at, struct hpack_list *list)
{
    bool is_name = at->index == 0 && !at->name.bytes.data;
    list->is_truncated = true;
    decoder->skipping = is_name ? HPACK_SKIP_NAME : HPACK_SKIP_VALUE;
    decoder->skip = cursor->length;
    decoder->is_inserted = at->kind == KIND_INSERTED;
    decoder->skipped = least_of(cursor->length, cursor->is_coded) + ENTRY_OVERHEAD;
}

/* A byte of the length of the value behind a name that was passed over (§5.1). */
static void step_length(struct hpack_decoder *decoder, uint8_t byte, struct hpack_list *list)
{
    bool is_last = false;
    if (decoder->length_bytes++ == 0) {
        decoder->is_coded = byte & 128;
        decoder->skip = byte & 127;
        is_last = decoder->skip != 127;
    } else {
        decoder->skip += (uint64_t)(byte & 127) << (7 * (decoder->length_bytes - 2));
        is_last = !(byte & 128);
    }
    if (is_last) {
        decoder->skipping = HPACK_SKIP_VALUE;
        decoder->skipped += least_of(decoder->skip, decoder->is_coded);
    } else if (decoder->length_bytes > INTEGER_MAXIMUM_BYTES) {
        decoder->skipping = HPACK_SKIP_NONE;
        give_up(decoder, list);
    }
}

/* The strings of a representation that is passed over; bytes used. */
static size_t pass_over(struct hpack_decoder *decoder, struct slice bytes, struct hpack_list *list)
{
    size_t at = 0;
    while (decoder->skipping != HPACK_SKIP_NONE) {
        if (decoder->skipping == HPACK_SKIP_LENGTH) {
            if (at == bytes.length)
                break;
            step_length(decoder, bytes.data[at++], list);
            continue;
        }
        size_t left = bytes.length - at;
        size_t used = left < decoder->skip ? left : (size_t)decoder->skip;
        decoder->skip -= used;
        at += used;
        if (decoder->skip)
            break;
        if (decoder->skipping == HPACK_SKIP_NAME) {
            decoder->skipping = HPACK_SKIP_LENGTH;
            decoder->length_bytes = 0;
            continue;
        }
        decoder->skipping = HPACK_SKIP_NONE;
        if (decoder->is_inserted)
            insert_unknown(decoder, list, decoder->skipped);
    }
    return at;
}

/*
 * As many whole representations as there are; bytes used. `decoder->need`: bytes missing of the
 * one that begins behind them, 0 when none does.
 */
static size_t decode(struct hpack_decoder *decoder, struct slice bytes, struct hpack_list *list)
{
    struct cursor cursor = {.bytes = bytes};
    struct representation at;
    decoder->need = 0;
    while (cursor.at < bytes.length) {
        size_t start = cursor.at;
        enum read result = read_representation(&cursor, &at);
        if (result == READ_DONE) {
            take(decoder, &at, list);
        } else if (result == READ_MORE) {
            decoder->need = cursor.need;
            return start;
        } else if (result == READ_BROKEN) {
            give_up(decoder, list);
            return bytes.length;
        } else {
            start_skip(decoder, &cursor, &at, list);
            cursor.at += pass_over(decoder, slice_part(bytes, cursor.at, SIZE_MAX), list);
            if (decoder->is_lost)
                return bytes.length;
        }
    }
    return bytes.length;
}

static bool keep_tail(struct hpack_decoder *decoder, struct slice bytes, struct hpack_list *list)
{
    decoder->tail.maximum = SIZE_MAX / 2; /* what is kept is a part of one representation */
    if (buffer_append(&decoder->tail, bytes) == 0)
        return true;
    give_up(decoder, list);
    list->is_malformed = false;
    list->is_starved = true;
    return false;
}

void hpack_decoder_feed(struct hpack_decoder *decoder, struct slice bytes, struct hpack_list *list)
{
    while (bytes.length && !decoder->is_lost) {
        size_t used;
        if (decoder->skipping != HPACK_SKIP_NONE) {
            used = pass_over(decoder, bytes, list);
            bytes = slice_part(bytes, used, SIZE_MAX);
            continue;
        }
        if (decoder->need) {
            struct slice part = slice_part(bytes, 0, decoder->need);
            if (!keep_tail(decoder, part, list))
                return;
            bytes = slice_part(bytes, part.length, SIZE_MAX);
            decoder->need -= part.length;
            if (decoder->need)
                return;
            decode(decoder, buffer_slice(&decoder->tail), list);
            if (!decoder->need)
                decoder->tail.length = 0;
            continue;
        }
        used = decode(decoder, bytes, list);
        bytes = slice_part(bytes, used, SIZE_MAX);
        if (bytes.length && decoder->need) {
            keep_tail(decoder, bytes, list);
            return;
        }
    }
}

/* Ready for the next block. */
static void reset(struct hpack_decoder *decoder)
{
    if (decoder->tail.capacity)
        buffer_done(&decoder->tail);
    decoder->need = 0;
    decoder->skip = 0;
    decoder->skipping = HPACK_SKIP_NONE;
    decoder->is_lost = false;
}

void hpack_decoder_end(struct hpack_decoder *decoder, struct hpack_list *list)
{
    if (decoder->need || decoder->skipping != HPACK_SKIP_NONE)
        give_up(decoder, list);
    reset(decoder);
    hpack_list_finish(list);
}

void hpack_decoder_forget(struct hpack_decoder *decoder)
{
    reset(decoder);
    hpack_table_forget(&decoder->table);
}

void hpack_decoder_done(struct hpack_decoder *decoder)
{
    buffer_done(&decoder->tail);
    hpack_table_done(&decoder->table);
}

bool hpack_is_plausible(struct slice bytes, bool is_whole, size_t limit)
{
    struct cursor cursor = {.bytes = bytes};
    struct representation at;
    while (cursor.at < bytes.length && cursor.at < limit) {
        enum read result = read_representation(&cursor, &at);
        if (result == READ_MORE)
            return !is_whole;
        if (result != READ_DONE || (at.kind == KIND_INDEXED && at.index == 0) ||
            (at.kind != KIND_RESIZE && at.index > HPACK_ENTRIES_MAXIMUM))
            return false;
    }
    return bytes.length > 0;
}
