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

static inline bool is_control(uint8_t byte)
{
    return byte < ' ' || byte == 0x7f;
}

/* Bytes up to the first below SP, or DEL; all of them where there is none. */
static inline size_t text_length(const uint8_t *data, size_t length)
{
    size_t at = 0;
#ifdef __SSE2__
    const __m128i highest = _mm_set1_epi8(' ' - 1), deleted = _mm_set1_epi8(0x7f);
    while (length >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(data + at));
        __m128i below = _mm_cmpeq_epi8(_mm_min_epu8(bytes, highest), bytes);
        unsigned found =
            (unsigned)_mm_movemask_epi8(_mm_or_si128(below, _mm_cmpeq_epi8(bytes, deleted)));
        if (found)
            return at + (size_t)__builtin_ctz(found);
        if (at == length - 16)
            return length;
        at = at + 16 < length - 16 ? at + 16 : length - 16; /* the last step overlaps */
    }
#endif
    while (at < length && !is_control(data[at]))
        at++;
    return at;
}

/* Of all bytes; 16 or more are mixed two words a step, the last step overlapping. */
static inline uint64_t hash_text(const uint8_t *data, size_t length, uint64_t hash)
{
    const uint64_t factor = 0x9E3779B97F4A7C15u, other = 0xD6E8FEB86659FD93u;
    uint64_t a = (hash ^ length) * factor, b = 0;
    if (length < 16) {
        uint8_t padded[16] = {0};
        memcpy(padded, data, length);
        a ^= word_at(padded);
        b = word_at(padded + 8);
    } else {
        size_t last = length - 16;
        for (size_t at = 0; at < last; at += 16) {
            a = (a ^ word_at(data + at)) * factor;
            b = (b ^ word_at(data + at + 8)) * other;
            a ^= a >> 29;
            b ^= b >> 31;
        }
        a ^= word_at(data + last);
        b ^= word_at(data + last + 8);
    }
    a = a * factor ^ b * other;
    return a ^ a >> 32;
}

/*
 * The line that begins at `start`, with no control character in it: its end, behind CR LF, or 0: it
 * is none. Its bytes go into the hash.
 */
static size_t take_line(struct slice bytes, size_t start, uint64_t *hash)
{
    const uint8_t *data = bytes.data + start;
    size_t left = bytes.length - start, length = text_length(data, left);
    if (length + 2 > left || data[length] != '\r' || data[length + 1] != '\n')
        return 0;
    *hash = hash_text(data, length, *hash);
    return start + length + 2;
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
    struct http1_known *known;
    const uint8_t *pattern;
    size_t at;
    uint32_t line; /* of the pattern: the next */
    uint32_t differences;
};

/* Lines from `start` on. False: too many. */
static inline bool add_run(struct http1_alike *alike, size_t start, uint32_t line, uint32_t count)
{
    struct head_run *last = &alike->runs[alike->run_count - (alike->run_count > 0)];
    if (alike->count + count > HEAD_LINES_MAXIMUM)
        return false;
    alike->count += count;
    if (alike->run_count && last->line != HEAD_LINE_DIFFERS && last->line + last->count == line) {
        last->count = (uint8_t)(last->count + count);
        return true;
    }
    alike->starts[alike->run_count] = (uint16_t)start;
    alike->runs[alike->run_count++] = (struct head_run){(uint8_t)line, (uint8_t)count};
    return true;
}

/*
 * Which line of the pattern follows the lines that are the same from here on. First they are taken
 * to be the same up to the next that is known to move, which one comparison can tell.
 */
static uint32_t find_difference(const struct walk *walk)
{
    const struct http1_known *known = walk->known;
    const uint16_t *starts = known->starts;
    uint32_t line = walk->line, end = known->head.count;
    uint64_t moving = known->moving >> line;
    const uint8_t *data = walk->bytes.data + walk->at, *pattern = walk->pattern + starts[line];
    size_t left = walk->bytes.length - walk->at, same;
    if (moving)
        end = line + (moving & 1 ? 1 : (uint32_t)__builtin_ctzll(moving));
    same = (size_t)starts[end] - starts[line];
    if (same <= left && memcmp(pattern, data, same) == 0)
        return end;
    if (moving & 1)
        return line;
    same = starts[line] + same_length(pattern, data, same < left ? same : left);
    while (line < end && starts[line + 1] <= same)
        line++;
    return line;
}

/* As many lines as are the same from here on. False: too many. */
static bool pass_same(struct walk *walk, struct http1_alike *alike)
{
    const uint16_t *starts = walk->known->starts;
    uint32_t line = walk->line, end = find_difference(walk);
    uint32_t length = (uint32_t)starts[end] - starts[line];
    if (end > line && !add_run(alike, walk->at, line, end - line))
        return false;
    alike->same_bytes += length;
    walk->line = end;
    walk->at += length;
    return true;
}

/* Which line of the pattern the next one may be: one of the same name, if there is one near. */
static bool find_line(struct walk *walk)
{
    const struct http1_head *head = &walk->known->head;
    size_t left = walk->bytes.length - walk->at;
    for (uint32_t i = walk->line; i < head->count && i <= walk->line + LINES_AHEAD; i++) {
        size_t length = head->headers[i].name.length + 1;
        if (length <= left && memcmp(walk->pattern + walk->known->starts[i],
                                     walk->bytes.data + walk->at, length) == 0) {
            walk->line = i;
            return true;
        }
    }
    return false;
}

/* A line that is not the same, and the pattern's line of that name. */
static bool pass_different(struct walk *walk, struct http1_alike *alike)
{
    size_t start = walk->at;
    uint32_t line = walk->line, count = alike->count;
    bool is_found = find_line(walk);
    if (walk->line != line && (!pass_same(walk, alike) || alike->count > count))
        return alike->count > count;
    if (is_found)
        walk->known->moving |= (uint64_t)1 << walk->line++;
    walk->at = take_line(walk->bytes, start, &alike->hash);
    return walk->at && ++walk->differences <= DIFFERENCES_MAXIMUM &&
           add_run(alike, start, HEAD_LINE_DIFFERS, 1);
}

static inline bool is_at_end(const struct walk *walk)
{
    return walk->bytes.length - walk->at >= 2 && walk->bytes.data[walk->at] == '\r' &&
           walk->bytes.data[walk->at + 1] == '\n';
}

bool http1_alike_find(struct head_memo *pattern, struct slice bytes, struct http1_alike *ret_alike)
{
    struct walk walk = {.bytes = slice_part(bytes, 0, UINT16_MAX),
                        .known = (struct http1_known *)pattern->parsed,
                        .pattern = pattern->bytes.data};
    ret_alike->pattern = pattern;
    ret_alike->count = ret_alike->run_count = ret_alike->same_bytes = 0;
    ret_alike->hash = pattern->hash;
    walk.at = take_line(walk.bytes, 0, &ret_alike->hash);
    if (!walk.at)
        return false;
    while (!is_at_end(&walk)) {
        uint32_t before = ret_alike->count;
        if (walk.line < walk.known->head.count && !pass_same(&walk, ret_alike))
            return false;
        if (ret_alike->count == before && !pass_different(&walk, ret_alike))
            return false;
    }
    ret_alike->starts[ret_alike->run_count] = (uint16_t)walk.at;
    ret_alike->length = (uint32_t)walk.at + 2;
    return true;
}

/* The record's headers were split in this way. False: no memory. */
static bool keep(struct record *record, const struct http1_alike *alike, enum http1_role role)
{
    size_t length = alike->run_count * sizeof(*alike->runs);
    struct head_likeness *likeness = arena_allocate(record->arena, sizeof(*likeness) + length);
    if (!likeness || record->likenesses[role == HTTP1_RESPONSE])
        return false;
    likeness->memo = head_memo_ref(alike->pattern);
    likeness->shown = NULL;
    likeness->count = alike->count;
    likeness->run_count = alike->run_count;
    memcpy(likeness->runs, alike->runs, length);
    record_set_likeness(record, role == HTTP1_RESPONSE, likeness);
    return true;
}

/* Headers of the pattern, and what they say. */
static void add_same(const struct http1_known *known, struct head_run run, struct http1_head *head)
{
    const struct header *headers = &known->head.headers[run.line];
    uint64_t notable = known->notable >> run.line & head_line_bits(run.count);
    memcpy(&head->headers[head->count], headers, run.count * sizeof(*headers));
    head->count += run.count;
    for (; notable; notable &= notable - 1)
        http1_head_note(head, &headers[__builtin_ctzll(notable)]);
}

bool http1_alike_split(const struct http1_alike *alike, struct slice bytes,
                       const uint8_t *readable_end, enum http1_role role, struct record *record,
                       struct http1_head *head)
{
    struct header *headers = head->headers;
    uint32_t capacity = head->capacity;
    bool is_whole = capacity >= alike->count;
    head->is_start_complete = true;
    http1_start_split(slice_of(bytes.data, alike->starts[0] - 2u), role, head);
    for (uint32_t i = 0; i < alike->run_count && is_whole; i++) {
        size_t start = alike->starts[i];
        struct slice text = {bytes.data + start, alike->starts[i + 1] - start - 2};
        if (alike->runs[i].line != HEAD_LINE_DIFFERS)
            add_same(alike->pattern->parsed, alike->runs[i], head);
        else
            is_whole = http1_head_add_line(head, text, readable_end);
    }
    http1_head_conclude(head, role);
    if (is_whole && keep(record, alike, role))
        return true;
    *head = (struct http1_head){.headers = headers, .capacity = capacity};
    return false;
}
