/*
 * http1_alike: a head that is set beside a pattern, one that came before (model/head_memory). Lines
 * that are the same, byte for byte, are known: their names, and what later stages found out of
 * them. The others are taken apart as always. Only heads of which each line is as RFC 9112 wants it
 * (CR LF, no folding, no control characters) are looked at in this way.
 */
#include "parse/http1.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    LINES_AHEAD = 3, /* lines of the pattern that may be missing in front of one that is there */
    DIFFERENCES_MAXIMUM = 16, /* lines that may differ */
};

/* How many of the first `length` bytes are the same. */
static inline size_t same_length(const uint8_t *a, const uint8_t *b, size_t length)
{
    size_t at = 0;
#ifdef __SSE2__
    for (; at + 16 <= length; at += 16) {
        __m128i equal = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(a + at)),
                                       _mm_loadu_si128((const __m128i *)(b + at)));
        unsigned mask = (unsigned)_mm_movemask_epi8(equal);
        if (mask != 0xffff)
            return at + (size_t)__builtin_ctz(~mask);
    }
#endif
    while (at < length && a[at] == b[at])
        at++;
    return at;
}

static inline uint64_t word_at(const uint8_t *data)
{
    uint64_t word;
    memcpy(&word, data, 8);
    return word;
}

/* Is a byte among these eight below SP, or DEL? */
static inline bool has_control(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t no_delete = word ^ ones * 0x7f;
    uint64_t below = (word - ones * ' ') & ~word, deleted = (no_delete - ones) & ~no_delete;
    return (below | deleted) & tops;
}

/* A line that differs, up to its CR: no control character in it; its bytes go into the hash. */
static bool take_text(const uint8_t *data, size_t length, uint64_t *hash)
{
    const uint64_t factor = 0x9E3779B97F4A7C15u;
    uint64_t word = 0, sum = (*hash ^ length) * factor;
    size_t at = 0;
    for (; at + 8 <= length; at += 8) {
        word = word_at(data + at);
        if (has_control(word))
            return false;
        sum = (sum ^ word ^ sum >> 29) * factor;
    }
    if (at < length) {
        word = 0x2020202020202020u;
        memcpy(&word, data + at, length - at);
        if (has_control(word))
            return false;
        sum = (sum ^ word ^ sum >> 29) * factor;
    }
    *hash = sum ^ sum >> 32;
    return true;
}

/* The line that begins at `start`; its end, behind CR LF, or 0: it is none. */
static size_t take_line(struct slice bytes, size_t start, uint64_t *hash)
{
    const uint8_t *feed = memchr(bytes.data + start, '\n', bytes.length - start);
    size_t end = feed ? (size_t)(feed - bytes.data) : 0;
    if (end < start + 2 || bytes.data[end - 1] != '\r' ||
        !take_text(bytes.data + start, end - 1 - start, hash))
        return 0;
    return end + 1;
}

void http1_alike_prepare(struct head_memo *memo, const struct http1_lines *lines)
{
    struct http1_known *known = (struct http1_known *)memo->parsed;
    const struct http1_head *head = &known->head;
    if (head->reasons || lines->reasons || head->is_truncated || !head->count ||
        head->count > HEAD_LINES_MAXIMUM || lines->count != head->count + 2)
        return;
    for (uint32_t i = 0; i < head->count; i++) {
        known->starts[i] = (uint16_t)(head->headers[i].name.data - memo->bytes.data);
        if (http1_head_is_notable(head->headers[i].name))
            known->notable |= (uint64_t)1 << i;
    }
    known->starts[head->count] = (uint16_t)(memo->bytes.length - 2);
    memo->is_pattern = true;
}

/* A walk over the head's lines, and those of the pattern. */
struct walk {
    struct slice bytes;
    const struct http1_known *known;
    const uint8_t *pattern;
    size_t at;
    uint32_t line; /* of the pattern: the next */
    uint32_t differences;
};

static inline bool add_line(struct http1_alike *alike, size_t start, unsigned line)
{
    if (alike->count == HEAD_LINES_MAXIMUM)
        return false;
    alike->starts[alike->count] = (uint16_t)start;
    alike->lines[alike->count++] = (uint8_t)line;
    return true;
}

/* As many lines as are the same from here on. False: too many. */
static bool pass_same(struct walk *walk, struct http1_alike *alike)
{
    const uint16_t *starts = walk->known->starts;
    uint32_t end = walk->known->head.count, line = walk->line, count = alike->count;
    size_t start = starts[line], left = walk->bytes.length - walk->at;
    size_t most = (size_t)starts[end] - start, shift = walk->at - start;
    size_t same = start + same_length(walk->pattern + start, walk->bytes.data + walk->at,
                                      most < left ? most : left);
    for (; line < end && starts[line + 1] <= same; line++, count++) {
        if (count == HEAD_LINES_MAXIMUM)
            return false;
        alike->starts[count] = (uint16_t)(starts[line] + shift);
        alike->lines[count] = (uint8_t)line;
    }
    alike->count = count;
    alike->same_bytes += starts[line] - (uint32_t)start;
    walk->line = line;
    walk->at = starts[line] + shift;
    return true;
}

/* Which line of the pattern the next one may be: one of the same name, if there is one near. */
static void find_line(struct walk *walk)
{
    const struct http1_head *head = &walk->known->head;
    size_t left = walk->bytes.length - walk->at;
    for (uint32_t i = walk->line; i < head->count && i <= walk->line + LINES_AHEAD; i++) {
        size_t length = head->headers[i].name.length + 1;
        if (length <= left && memcmp(walk->pattern + walk->known->starts[i],
                                     walk->bytes.data + walk->at, length) == 0) {
            walk->line = i;
            return;
        }
    }
}

/* A line that is not the same, and the pattern's line of that name. */
static bool pass_different(struct walk *walk, struct http1_alike *alike)
{
    const struct http1_head *head = &walk->known->head;
    size_t start = walk->at;
    uint32_t line = walk->line, count = alike->count;
    find_line(walk);
    if (walk->line != line && (!pass_same(walk, alike) || alike->count > count))
        return alike->count > count;
    if (walk->line < head->count) {
        struct slice name = head->headers[walk->line].name;
        if (name.length < walk->bytes.length - start &&
            memcmp(name.data, walk->bytes.data + start, name.length + 1) == 0)
            walk->line++;
    }
    walk->at = take_line(walk->bytes, start, &alike->hash);
    return walk->at && ++walk->differences <= DIFFERENCES_MAXIMUM &&
           add_line(alike, start, HEAD_LINE_DIFFERS);
}

static inline bool is_at_end(const struct walk *walk)
{
    return walk->bytes.length - walk->at >= 2 && walk->bytes.data[walk->at] == '\r' &&
           walk->bytes.data[walk->at + 1] == '\n';
}

bool http1_alike_find(struct head_memo *pattern, struct slice bytes, struct http1_alike *ret_alike)
{
    struct walk walk = {.bytes = slice_part(bytes, 0, UINT16_MAX),
                        .known = pattern->parsed,
                        .pattern = pattern->bytes.data};
    ret_alike->pattern = pattern;
    ret_alike->count = ret_alike->same_bytes = 0;
    ret_alike->hash = pattern->hash;
    walk.at = take_line(walk.bytes, 0, &ret_alike->hash);
    if (!walk.at)
        return false;
    while (!is_at_end(&walk)) {
        uint32_t before = ret_alike->count;
        if (walk.line < walk.known->head.count && !pass_same(&walk, ret_alike))
            return false;
        if (is_at_end(&walk))
            break;
        if (ret_alike->count == before && !pass_different(&walk, ret_alike))
            return false;
    }
    ret_alike->starts[ret_alike->count] = (uint16_t)walk.at;
    ret_alike->length = (uint32_t)walk.at + 2;
    return true;
}

/* The line is that of the pattern: so is where its name and value are. */
static inline struct header header_of(const struct http1_known *known, uint32_t line,
                                      const uint8_t *start)
{
    const struct header *header = &known->head.headers[line];
    return (struct header){
        .name = {start, header->name.length},
        .value = {start + (header->value.data - header->name.data), header->value.length},
    };
}

bool http1_alike_split(const struct http1_alike *alike, struct slice bytes,
                       const uint8_t *readable_end, enum http1_role role, struct http1_head *head)
{
    const struct http1_known *known = alike->pattern->parsed;
    struct http1_head fresh = {.headers = head->headers, .capacity = head->capacity};
    if (fresh.capacity < alike->count)
        return false;
    fresh.is_start_complete = true;
    http1_start_split(slice_of(bytes.data, alike->starts[0] - 2u), role, &fresh);
    for (uint32_t i = 0; i < alike->count; i++) {
        const uint8_t *start = bytes.data + alike->starts[i];
        uint32_t line = alike->lines[i];
        struct slice text = {start, (size_t)alike->starts[i + 1] - alike->starts[i] - 2};
        if (line == HEAD_LINE_DIFFERS) {
            if (!http1_head_add_line(&fresh, text, readable_end))
                return false;
            continue;
        }
        fresh.headers[fresh.count] = header_of(known, line, start);
        if (known->notable >> line & 1)
            http1_head_note(&fresh, &fresh.headers[fresh.count]);
        fresh.count++;
    }
    http1_head_conclude(&fresh, role);
    *head = fresh;
    return true;
}

void http1_alike_keep(struct record *record, const struct http1_alike *alike, enum http1_role role)
{
    struct head_likeness *likeness =
        arena_allocate(record->arena, sizeof(*likeness) + alike->count);
    if (!likeness)
        return;
    likeness->memo = head_memo_ref(alike->pattern);
    likeness->shown = NULL;
    likeness->count = alike->count;
    memcpy(likeness->lines, alike->lines, alike->count);
    record_set_likeness(record, role == HTTP1_RESPONSE, likeness);
}
