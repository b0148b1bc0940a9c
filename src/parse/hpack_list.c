/*
 * hpack_list: the headers of one block in a record's arena. Texts lie one behind the other in a
 * piece that is taken large and cut to size at the end.
 */
#include "parse/hpack.h"

enum {
    HEADERS_FIRST = 32,
    TEXT_FIRST = 1024,
    TEXT_LARGEST = 32 * 1024, /* taken at once, unless more is needed */
};

void hpack_list_start(struct hpack_list *list, struct arena *arena, size_t maximum)
{
    *list = (struct hpack_list){.arena = arena, .left = maximum};
}

/* Gives back what the current piece has left. */
static void close_piece(struct hpack_list *list)
{
    if (list->is_first_open)
        list->first.length = (size_t)(list->text - list->first.data);
    list->is_first_open = false;
    if (list->room)
        arena_trim(list->arena, list->text, list->room);
    list->room = 0;
}

static bool grow_headers(struct hpack_list *list)
{
    uint32_t capacity = list->capacity ? list->capacity * 2 : HEADERS_FIRST;
    bool is_over_text = list->capacity != 0;
    if (is_over_text)
        close_piece(list);
    struct header *larger = arena_allocate(list->arena, capacity * sizeof(*larger));
    if (!larger) {
        list->is_starved = true;
        return false;
    }
    if (list->count)
        memcpy(larger, list->headers, list->count * sizeof(*larger));
    list->headers = larger;
    list->capacity = capacity;
    return true;
}

uint8_t *hpack_list_reserve(struct hpack_list *list, size_t length)
{
    if (list->count == list->capacity && !grow_headers(list))
        return NULL;
    if (list->text && length <= list->room)
        return list->text;
    bool is_first = !list->first.data;
    size_t size = is_first                     ? TEXT_FIRST
                  : list->piece < TEXT_LARGEST ? list->piece * 2
                                               : TEXT_LARGEST;
    close_piece(list);
    if (size < length)
        size = length;
    uint8_t *text = arena_allocate(list->arena, size);
    if (!text) {
        list->is_starved = true;
        return NULL;
    }
    list->text = text;
    list->room = list->piece = size;
    if (is_first) {
        list->first = slice_of(text, 0);
        list->is_first_open = true;
    }
    return text;
}

bool hpack_list_is_open(struct hpack_list *list, size_t length)
{
    if (!list->arena)
        return false;
    if (list->count >= HPACK_HEADERS_MAXIMUM || length > list->left || !list->left) {
        list->is_truncated = true;
        list->left = 0; /* what comes behind is not kept either */
        return false;
    }
    return !list->is_starved;
}

void hpack_list_commit(struct hpack_list *list, size_t name_length, size_t value_length)
{
    struct slice text = slice_of(list->text, name_length + value_length);
    if (text.length > list->left) {
        list->is_truncated = true;
        list->left = 0;
        return;
    }
    list->headers[list->count++] =
        (struct header){slice_part(text, 0, name_length), slice_part(text, name_length, SIZE_MAX)};
    list->text += text.length;
    list->room -= text.length;
    list->left -= text.length;
}

/* There is room for it. */
static inline void add_text(struct hpack_list *list, struct slice name, struct slice value)
{
    uint8_t *text = list->text;
    if (name.length)
        memcpy(text, name.data, name.length);
    if (value.length)
        memcpy(text + name.length, value.data, value.length);
    hpack_list_commit(list, name.length, value.length);
}

void hpack_list_add(struct hpack_list *list, struct slice name, struct slice value)
{
    size_t length = name.length + value.length;
    bool is_easy = list->count < list->capacity && list->count < HPACK_HEADERS_MAXIMUM &&
                   length < list->room && length < list->left && !list->is_starved;
    if (is_easy || (hpack_list_is_open(list, length) && hpack_list_reserve(list, length)))
        add_text(list, name, value);
}

void hpack_list_finish(struct hpack_list *list)
{
    close_piece(list);
}
