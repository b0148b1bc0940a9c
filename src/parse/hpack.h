/*
 * hpack: a decoder of HPACK (RFC 7541) for an observer. It differs from that of an endpoint: what
 * was inserted before it looked, or while it did not, is unknown, and a reference to that gives no
 * header, but no error either. Private to parse/.
 *
 *   hpack.c          blocks and their representations
 *   hpack_table.c    the static and the dynamic table
 *   hpack_huffman.c  strings
 *   hpack_list.c     the headers that come out
 */
#pragma once
#include "base/buffer.h"
#include "model/record.h"

enum {
    HPACK_TABLE_KEPT = 64 * 1024, /* bytes of a dynamic table that are kept, as §4.1 counts */
    HPACK_ENTRIES_MAXIMUM = HPACK_TABLE_KEPT / 32,
    HPACK_STRING_MAXIMUM = 64 * 1024, /* wire bytes of one string; a longer one is passed over */
    HPACK_HEADERS_MAXIMUM = 4096,     /* headers kept of one list */
    HPACK_STATIC_COUNT = 61,
};
#define HPACK_MAXIMUM_UNKNOWN UINT32_MAX
#define HPACK_MAXIMUM_DEFAULT 4096u /* RFC 9113 §6.5.2 */

/* One entry of a dynamic table. What is unknown has no text and counts as little as it can. */
struct hpack_entry {
    uint32_t position; /* of the name in the table's text, modulo 2^32; the value follows */
    uint32_t name_length, value_length;
    uint32_t size; /* as §4.1 counts, or less */
    bool is_name_known, is_value_known;
};

struct hpack_table {
    uint8_t *text; /* names and values, the oldest first */
    uint32_t text_capacity;
    uint32_t text_base;          /* position of text[0] */
    uint32_t text_end;           /* position behind the newest */
    struct hpack_entry *entries; /* ring */
    uint32_t capacity;           /* of the ring, a power of two or 0 */
    uint32_t newest, count;
    uint64_t size;    /* of all entries */
    uint32_t maximum; /* what the encoder may use, or HPACK_MAXIMUM_UNKNOWN */
    bool has_unknown; /* there may be more entries, older than those */
    uint64_t version; /* another one after each change: an index may stand for something else */
};

/* What an index stands for. */
struct hpack_field {
    struct slice name, value; /* in the table or static; die with the next insertion */
    bool is_name_known, is_value_known;
    bool is_invalid; /* there is surely no such entry */
};

/* hpack_table.c */
void hpack_table_done(struct hpack_table *table);
/* Nothing is known of the table any more. */
void hpack_table_forget(struct hpack_table *table);
/* The connection begins: the table is empty. */
void hpack_table_begin(struct hpack_table *table);
/* A dynamic table size update (§6.3). */
void hpack_table_resize(struct hpack_table *table, uint64_t maximum);
struct hpack_field hpack_table_find(const struct hpack_table *table, uint64_t index);
/*
 * Room for the text of the next entry; what hpack_table_find gave is to be asked for again. NULL:
 * memory is out.
 */
uint8_t *hpack_table_reserve(struct hpack_table *table, size_t length);
/*
 * Adds `entry`, its text in the room that was reserved; evicts what must go. `position` is set
 * here. False: memory is out, and the table has forgotten.
 */
bool hpack_table_insert(struct hpack_table *table, struct hpack_entry entry);
/* The newest entry's name and value. Valid when the last insertion left it there. */
bool hpack_table_newest(const struct hpack_table *table, struct hpack_field *ret_field);

/* hpack_huffman.c */
/* Bytes that `length` bytes of code decode to, at most; room for them must be there, and 1 more. */
static inline size_t hpack_huffman_room(size_t length)
{
    return length * 8 / 5 + 2;
}
/* False: the code is broken (§5.2). */
bool hpack_huffman_decode(struct slice code, uint8_t *text, size_t *ret_length);

/* The headers of one block, in an arena. */
struct hpack_list {
    struct arena *arena; /* NULL: the headers are not kept */
    struct header *headers;
    uint32_t count, capacity;
    uint8_t *text; /* where the next text goes */
    size_t room;
    size_t piece;       /* size of the last piece taken */
    struct slice first; /* the first texts, in one piece: those of a common block are all there */
    size_t left;        /* bytes of text that may still be kept */
    bool is_first_open;
    bool is_partial;   /* a header could not be known */
    bool is_truncated; /* headers were left out */
    bool is_starved;   /* there was no memory for one */
    bool is_malformed; /* the code is broken */
    bool has_begun;    /* there were headers: the table's size may change no more (§4.2) */
};

/* `maximum`: bytes of text that are kept. `arena` NULL: no headers are. */
void hpack_list_start(struct hpack_list *list, struct arena *arena, size_t maximum);
/* May a header be added, whose text has at least `length` bytes? */
bool hpack_list_is_open(struct hpack_list *list, size_t length);
/* Room for one header's name and value; NULL: there is no memory. */
uint8_t *hpack_list_reserve(struct hpack_list *list, size_t length);
/* They are there, one behind the other. */
void hpack_list_commit(struct hpack_list *list, size_t name_length, size_t value_length);
void hpack_list_add(struct hpack_list *list, struct slice name, struct slice value);
/* The list is complete: gives back what it did not need. */
void hpack_list_finish(struct hpack_list *list);

enum hpack_skip { HPACK_SKIP_NONE, HPACK_SKIP_NAME, HPACK_SKIP_LENGTH, HPACK_SKIP_VALUE };

struct hpack_decoder {
    struct hpack_table table;
    struct buffer tail;   /* the beginning of a representation */
    size_t need;          /* so many bytes more to go on with it, at least */
    uint64_t skip;        /* bytes left of a string that is passed over */
    uint64_t skipped;     /* what the representation at hand counts in the table, at least */
    uint8_t skipping;     /* enum hpack_skip */
    uint8_t length_bytes; /* HPACK_SKIP_LENGTH: bytes of the value's length so far */
    bool is_coded;        /* that value is in the Huffman code */
    bool is_inserted;     /* the representation that is passed over makes an entry */
    bool is_lost;         /* the rest of the block cannot be read */
};

/* Bytes of a block, cut anywhere. All headers that end in them are added to the list. */
void hpack_decoder_feed(struct hpack_decoder *decoder, struct slice bytes, struct hpack_list *list);
/* The block is complete. */
void hpack_decoder_end(struct hpack_decoder *decoder, struct hpack_list *list);
/* The rest of the block will not come, or blocks were missed: nothing is known of the table. */
void hpack_decoder_forget(struct hpack_decoder *decoder);
void hpack_decoder_done(struct hpack_decoder *decoder);
/*
 * Do these bytes look like a block's beginning? Representations that begin in the first `limit`
 * bytes are looked at; `is_whole`: the block ends with the bytes. Nothing is decoded.
 */
bool hpack_is_plausible(struct slice bytes, bool is_whole, size_t limit);
