/*
 * http2_alike: a header list that is set beside a pattern, one that came before
 * (model/head_memory). Headers that are the same, name and value, are known: that they break no
 * rule, and what later stages found out of them.
 */
#include "parse/http2.h"

enum {
    LINES_AHEAD = 3, /* lines of the pattern that may be missing in front of one that is there */
    DIFFERENCES_MAXIMUM = 16, /* headers that may differ */
};

static inline uint64_t word_at(const uint8_t *data)
{
    uint64_t word;
    memcpy(&word, data, sizeof(word));
    return word;
}

/* Names are short: most are two words that overlap. */
static inline bool is_same_name(const struct header *a, const struct header *b)
{
    const uint8_t *first = a->name.data, *second = b->name.data;
    size_t length = a->name.length;
    if (length != b->name.length)
        return false;
    if (length < 8 || length > 16)
        return memcmp(first, second, length) == 0;
    return word_at(first) == word_at(second) &&
           word_at(first + length - 8) == word_at(second + length - 8);
}

static inline bool is_same(const struct header *a, const struct header *b)
{
    return a->value.length == b->value.length && is_same_name(a, b) &&
           memcmp(a->value.data, b->value.data, a->value.length) == 0;
}

static void add_run(struct http2_alike *alike, uint32_t line)
{
    struct head_run *last = &alike->runs[alike->run_count - (alike->run_count > 0)];
    if (alike->run_count && line != HEAD_LINE_DIFFERS && last->line != HEAD_LINE_DIFFERS &&
        last->line + last->count == line)
        last->count++;
    else
        alike->runs[alike->run_count++] = (struct head_run){(uint8_t)line, 1};
}

/* The pattern's line that is the same, or one of the same name; `end`: neither is near. */
static uint32_t find_line(const struct http2_known *known, uint32_t line, uint32_t end,
                          const struct header *header, bool *ret_is_same)
{
    uint32_t named = end;
    for (uint32_t i = line; i < end && i <= line + LINES_AHEAD; i++) {
        *ret_is_same = is_same(&known->headers[i], header);
        if (*ret_is_same)
            return i;
        if (named == end && is_same_name(&known->headers[i], header))
            named = i;
    }
    *ret_is_same = false;
    return named;
}

bool http2_alike_find(struct head_memo *pattern, const struct hpack_list *list,
                      struct http2_alike *ret_alike)
{
    const struct http2_known *known = pattern->parsed;
    uint32_t line = 0, differences = 0;
    size_t same = 0, all = 0;
    ret_alike->pattern = pattern;
    ret_alike->run_count = 0;
    ret_alike->same = 0;
    if (list->count > HEAD_LINES_MAXIMUM)
        return false;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct header *header = &list->headers[i];
        size_t length = header->name.length + header->value.length;
        bool is_known = false;
        uint32_t found = find_line(known, line, known->count, header, &is_known);
        if (found < known->count)
            line = found + 1;
        add_run(ret_alike, is_known ? found : HEAD_LINE_DIFFERS);
        all += length;
        same += is_known ? length : 0;
        differences += !is_known;
        ret_alike->same |= (uint64_t)is_known << i;
    }
    return differences <= DIFFERENCES_MAXIMUM && same * 2 >= all;
}

struct head_likeness *http2_alike_use(struct arena *arena, const struct http2_alike *alike,
                                      struct hpack_list *list)
{
    const struct http2_known *known = alike->pattern->parsed;
    size_t length = alike->run_count * sizeof(*alike->runs);
    struct head_likeness *likeness = arena_allocate(arena, sizeof(*likeness) + length);
    struct header *headers = list->headers;
    if (!likeness)
        return NULL;
    likeness->memo = alike->pattern;
    likeness->shown = NULL;
    likeness->count = list->count;
    likeness->run_count = alike->run_count;
    memcpy(likeness->runs, alike->runs, length);
    for (uint32_t i = 0; i < alike->run_count; i++) {
        struct head_run run = alike->runs[i];
        if (run.line != HEAD_LINE_DIFFERS)
            memcpy(headers, &known->headers[run.line], run.count * sizeof(*headers));
        headers += run.count;
    }
    return likeness;
}
