/*
 * http1_scan: line ends of a head, 64 bytes a step where the machine has SSE2, and the question
 * whether bytes look like HTTP/1 (RFC 9112 §2.1, §3, §4).
 */
#include "parse/http1.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define DIGITS(d) [d] = 1, [(d) + 1] = 1, [(d) + 2] = 1, [(d) + 3] = 1, [(d) + 4] = 1
#define LETTERS(c)                                                                                 \
    DIGITS(c), DIGITS((c) + 5), DIGITS((c) + 10), DIGITS((c) + 15), DIGITS((c) + 20), [(c) + 25] = 1

const uint8_t http1_token[256] = {
    ['!'] = 1, ['#'] = 1,   ['$'] = 1,   ['%'] = 1,    ['&'] = 1,    ['\''] = 1, ['*'] = 1,
    ['+'] = 1, ['-'] = 1,   ['.'] = 1,   ['^'] = 1,    ['_'] = 1,    ['`'] = 1,  ['|'] = 1,
    ['~'] = 1, DIGITS('0'), DIGITS('5'), LETTERS('A'), LETTERS('a'),
};

struct scan {
    struct http1_lines *lines;
    bool had_return;   /* the byte before is CR */
    bool had_feed;     /* the byte before is LF, or there is none */
    bool had_feed_two; /* the byte before that one is */
};

enum { BLOCK = 64 };

/* What the control characters in `others` are, which begin no line's end: HT may be anywhere. */
static uint32_t reasons_of(const uint8_t *data, uint64_t others)
{
    uint32_t reasons = 0;

    for (; others; others &= others - 1) {
        uint8_t byte = data[__builtin_ctzll(others)];

        reasons |= byte == 0 ? HTTP1_BIT(NUL) : byte != '\t' ? HTTP1_BIT(CONTROL) : 0;
    }
    return reasons;
}

/*
 * `count` bytes (1 to 64) from `first` on, at offset `at` of the head, as bit sets. True: the head
 * has ended in them. A CR that is the last byte of a part may yet get its LF.
 */
static inline __attribute__((always_inline)) bool take_bits(struct scan *scan, const uint8_t *first,
                                                            size_t at, unsigned count,
                                                            uint64_t feeds, uint64_t returns,
                                                            uint64_t others)
{
    struct http1_lines *lines = scan->lines;
    uint64_t behind_return = returns << 1 | scan->had_return, valid = ~0ull >> (BLOCK - count);
    uint64_t behind_feed = feeds << 1 | scan->had_feed;
    uint64_t behind_two = behind_feed << 1 | scan->had_feed_two;
    uint64_t empty = feeds & (behind_feed | (behind_return & behind_two)), odd;
    uint32_t index = lines->count;

    if (empty) {
        uint64_t lowest = empty & -empty;

        valid = lowest | (lowest - 1);
        feeds &= valid;
        lines->length = at + (size_t)__builtin_ctzll(empty) + 1;
    }
    for (uint64_t left = feeds; left; left &= left - 1, index++) {
        if (index < HTTP1_LINES_KEPT)
            lines->ends[index] = (uint32_t)(at + (size_t)__builtin_ctzll(left));
    }
    lines->count = index;
    odd = ((feeds ^ behind_return) | others) & valid;
    if (__builtin_expect(odd != 0, 0)) {
        if (feeds & ~behind_return & valid)
            lines->reasons |= HTTP1_BIT(BARE_LF);
        if (behind_return & ~feeds & valid)
            lines->reasons |= HTTP1_BIT(BARE_CR);
        lines->reasons |= reasons_of(first, others & valid);
    }
    scan->had_return = returns >> (count - 1) & 1;
    scan->had_feed = feeds >> (count - 1) & 1;
    scan->had_feed_two = behind_feed >> (count - 1) & 1;
    return empty != 0;
}

#ifdef __SSE2__
static inline uint64_t bits_of(__m128i a, __m128i b, __m128i c, __m128i d)
{
    uint32_t low = (uint32_t)_mm_movemask_epi8(a) | (uint32_t)_mm_movemask_epi8(b) << 16;
    uint32_t high = (uint32_t)_mm_movemask_epi8(c) | (uint32_t)_mm_movemask_epi8(d) << 16;

    return low | (uint64_t)high << 32;
}

/*
 * 64 bytes, of which `known` were taken before; the others are at offset `at` of the head. True:
 * the head has ended.
 */
static inline __attribute__((always_inline)) bool scan_block(struct scan *scan, const uint8_t *data,
                                                             size_t at, unsigned known)
{
    const __m128i feed = _mm_set1_epi8('\n'), back = _mm_set1_epi8('\r');
    const __m128i control = _mm_set1_epi8(0x1f);
    const __m128i *block = (const __m128i *)data;
    __m128i a = _mm_loadu_si128(block), b = _mm_loadu_si128(block + 1);
    __m128i c = _mm_loadu_si128(block + 2), d = _mm_loadu_si128(block + 3);
    uint64_t feeds = bits_of(_mm_cmpeq_epi8(a, feed), _mm_cmpeq_epi8(b, feed),
                             _mm_cmpeq_epi8(c, feed), _mm_cmpeq_epi8(d, feed));
    uint64_t returns = bits_of(_mm_cmpeq_epi8(a, back), _mm_cmpeq_epi8(b, back),
                               _mm_cmpeq_epi8(c, back), _mm_cmpeq_epi8(d, back));
    uint64_t controls = bits_of(
        _mm_cmpeq_epi8(_mm_min_epu8(a, control), a), _mm_cmpeq_epi8(_mm_min_epu8(b, control), b),
        _mm_cmpeq_epi8(_mm_min_epu8(c, control), c), _mm_cmpeq_epi8(_mm_min_epu8(d, control), d));

    return take_bits(scan, data + known, at, BLOCK - known, feeds >> known, returns >> known,
                     (controls & ~(feeds | returns)) >> known);
}

/* All bytes; of at least 64 the last block overlaps the one before. */
static void scan_blocks(struct scan *scan, struct slice bytes)
{
    uint8_t padded[BLOCK];
    size_t at = 0;

    if (bytes.length && bytes.length < BLOCK) {
        unsigned known = BLOCK - (unsigned)bytes.length;

        memset(padded, ' ', known);
        memcpy(padded + known, bytes.data, bytes.length);
        scan_block(scan, padded, 0, known);
        return;
    }
    for (; at + BLOCK <= bytes.length; at += BLOCK) {
        if (scan_block(scan, bytes.data + at, at, 0))
            return;
    }
    if (at < bytes.length)
        scan_block(scan, bytes.data + bytes.length - BLOCK, at,
                   (unsigned)(at + BLOCK - bytes.length));
}
#else
static void scan_blocks(struct scan *scan, struct slice bytes)
{
    for (size_t at = 0; at < bytes.length; at += BLOCK) {
        uint64_t feeds = 0, returns = 0, others = 0;
        unsigned count = bytes.length - at < BLOCK ? (unsigned)(bytes.length - at) : BLOCK;

        for (unsigned i = 0; i < count; i++) {
            uint8_t byte = bytes.data[at + i];

            feeds |= (uint64_t)(byte == '\n') << i;
            returns |= (uint64_t)(byte == '\r') << i;
            others |= (uint64_t)(byte < 0x20 && byte != '\n' && byte != '\r') << i;
        }
        if (take_bits(scan, bytes.data + at, at, count, feeds, returns, others))
            return;
    }
}
#endif

void http1_scan_lines(struct slice bytes, struct http1_lines *ret_lines)
{
    struct scan scan = {.lines = ret_lines, .had_feed = true};

    ret_lines->length = 0;
    ret_lines->count = 0;
    ret_lines->reasons = 0;
    scan_blocks(&scan, bytes);
}

enum extension_state {
    EXTENSION_NONE, /* white space, perhaps; only ';' may follow */
    EXTENSION_BEGUN,
    EXTENSION_NAME,
    EXTENSION_NAMED, /* and white space */
    EXTENSION_EQUALS,
    EXTENSION_VALUE,
    EXTENSION_QUOTED,
    EXTENSION_ESCAPED,
    EXTENSION_QUOTED_END,
    EXTENSION_BAD,
};

static uint8_t next_extension_state(uint8_t state, uint8_t byte)
{
    bool is_white = byte == ' ' || byte == '\t', is_token = http1_token[byte];

    switch (state) {
    case EXTENSION_NONE:
        return byte == ';' ? EXTENSION_BEGUN : is_white ? EXTENSION_NONE : EXTENSION_BAD;
    case EXTENSION_BEGUN:
        return is_token ? EXTENSION_NAME : is_white ? EXTENSION_BEGUN : EXTENSION_BAD;
    case EXTENSION_NAME:
        if (is_token)
            return EXTENSION_NAME;
        return is_white      ? EXTENSION_NAMED
               : byte == ';' ? EXTENSION_BEGUN
               : byte == '=' ? EXTENSION_EQUALS
                             : EXTENSION_BAD;
    case EXTENSION_NAMED:
        return is_white      ? EXTENSION_NAMED
               : byte == ';' ? EXTENSION_BEGUN
               : byte == '=' ? EXTENSION_EQUALS
                             : EXTENSION_BAD;
    case EXTENSION_EQUALS:
        return byte == '"' ? EXTENSION_QUOTED
               : is_token  ? EXTENSION_VALUE
               : is_white  ? EXTENSION_EQUALS
                           : EXTENSION_BAD;
    case EXTENSION_QUOTED:
        return byte == '"'    ? EXTENSION_QUOTED_END
               : byte == '\\' ? EXTENSION_ESCAPED
                              : EXTENSION_QUOTED;
    case EXTENSION_ESCAPED:
        return EXTENSION_QUOTED;
    default: /* VALUE, QUOTED_END */
        if (is_token && state == EXTENSION_VALUE)
            return EXTENSION_VALUE;
        return byte == ';' ? EXTENSION_BEGUN : is_white ? EXTENSION_NONE : EXTENSION_BAD;
    }
}

bool http1_scan_extension(uint8_t *state, uint8_t byte)
{
    bool may_end = *state == EXTENSION_NAME || *state == EXTENSION_VALUE ||
                   *state == EXTENSION_QUOTED_END;

    if (*state == EXTENSION_BAD)
        return true;
    if (byte == '\n')
        return may_end;
    *state = next_extension_state(*state, byte);
    return *state != EXTENSION_BAD;
}

/* States: 0 at a line's start, 1 behind a CR at its start, 2 inside it. */
size_t http1_scan_find_end(uint8_t *state, struct slice bytes, bool *ret_found)
{
    size_t at = 0;
    *ret_found = false;
    while (at < bytes.length) {
        if (*state == 2) {
            at += slice_find(slice_part(bytes, at, SIZE_MAX), '\n');
            if (at == bytes.length)
                break;
            at++;
            *state = 0;
            continue;
        }
        uint8_t byte = bytes.data[at++];
        if (byte == '\n') {
            *ret_found = true;
            *state = 0;
            return at;
        }
        *state = byte == '\r' && *state == 0 ? 1 : 2;
    }
    return at;
}

/* Is one of the eight bytes up to SP, or DEL? */
static inline bool word_has_control(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t deleted = word ^ ones * 0x7f;

    return (((word - ones * (' ' + 1)) & ~word) | ((deleted - ones) & ~deleted)) & tops;
}

bool http1_scan_has_control(struct slice text)
{
    size_t at = 0;
    uint64_t word;

    for (; at + 8 <= text.length; at += 8) {
        memcpy(&word, text.data + at, 8);
        if (word_has_control(word))
            return true;
    }
    word = UINT64_C(0x4141414141414141);
    if (at < text.length && at)
        memcpy(&word, text.data + text.length - 8, 8); /* some of them once more */
    else if (at < text.length)
        memcpy(&word, text.data, text.length);
    return word_has_control(word);
}

static bool starts_with(struct slice bytes, struct slice prefix)
{
    return slice_is_equal(slice_part(bytes, 0, prefix.length), prefix);
}

/* "HTTP/1.x NNN" (RFC 9112 §4), compared as far as there are bytes. */
static enum probe_verdict probe_status_line(struct slice bytes)
{
    static const char pattern[] = "HTTP/1.# ###";
    for (size_t i = 0; i < sizeof(pattern) - 1; i++) {
        if (i == bytes.length)
            return PROBE_MAYBE;
        uint8_t byte = bytes.data[i];
        if (pattern[i] == '#' ? (uint8_t)(byte - '0') > 9 : byte != (uint8_t)pattern[i])
            return PROBE_NO;
    }
    if (bytes.length == sizeof(pattern) - 1)
        return PROBE_MAYBE;
    uint8_t next = bytes.data[sizeof(pattern) - 1];
    return next == ' ' || next == '\r' || next == '\n' ? PROBE_YES : PROBE_NO;
}

static bool is_common_method(struct slice method)
{
    static const char *const methods[] = {"GET",     "POST",  "HEAD",    "PUT",   "DELETE",
                                          "OPTIONS", "PATCH", "CONNECT", "TRACE", NULL};
    for (size_t i = 0; methods[i]; i++) {
        if (slice_is_equal(method, slice_of_string(methods[i])))
            return true;
    }
    return false;
}

/* A request line of any method, recognised by its version. */
static enum probe_verdict probe_whole_line(struct slice bytes)
{
    bytes = slice_part(bytes, 0, HTTP1_START_LINE_PROBED);
    size_t end = slice_find(bytes, '\n');
    if (end == bytes.length)
        return end < HTTP1_START_LINE_PROBED ? PROBE_MAYBE : PROBE_NO;
    struct slice line = slice_part(bytes, 0, end);
    if (line.length && line.data[line.length - 1] == '\r')
        line.length--;
    static const size_t tail = sizeof(" HTTP/1.1") - 1;
    if (line.length < tail + 1)
        return PROBE_NO;
    struct slice version = slice_part(line, line.length - tail, tail);
    return starts_with(version, SLICE_LITERAL(" HTTP/1.")) ? PROBE_YES : PROBE_NO;
}

static enum probe_verdict probe_request_line(struct slice bytes)
{
    size_t length = 0;
    while (length < bytes.length && http1_token[bytes.data[length]])
        length++;
    if (length > HTTP1_METHOD_MAXIMUM)
        return PROBE_NO;
    if (length == bytes.length)
        return PROBE_MAYBE;
    if (length == 0 || bytes.data[length] != ' ')
        return PROBE_NO;
    struct slice method = slice_part(bytes, 0, length);
    struct slice target = slice_part(bytes, length + 1, SIZE_MAX);
    if (is_common_method(method)) {
        if (target.length == 0)
            return PROBE_MAYBE;
        if (target.data[0] == '/')
            return PROBE_YES;
        struct slice scheme = slice_part(target, 0, 4);
        if (slice_is_equal_ignoring_case(scheme, SLICE_LITERAL("http")))
            return PROBE_YES;
    }
    return probe_whole_line(bytes);
}

enum probe_verdict http1_scan_probe(struct slice bytes, enum http1_role *ret_role)
{
    while (bytes.length && (bytes.data[0] == '\r' || bytes.data[0] == '\n'))
        bytes = slice_part(bytes, 1, SIZE_MAX);
    if (bytes.length == 0)
        return PROBE_MAYBE;
    enum probe_verdict as_response = probe_status_line(bytes);
    enum probe_verdict as_request = probe_request_line(bytes);
    *ret_role = as_response == PROBE_YES ? HTTP1_RESPONSE : HTTP1_REQUEST;
    if (as_response == PROBE_YES || as_request == PROBE_YES)
        return PROBE_YES;
    return as_response == PROBE_MAYBE || as_request == PROBE_MAYBE ? PROBE_MAYBE : PROBE_NO;
}

enum probe_verdict http1_scan_probe_role(struct slice bytes, enum http1_role role)
{
    if (role == HTTP1_RESPONSE) {
        static const struct slice protocol = SLICE_LITERAL("HTTP/");
        size_t shown = bytes.length < protocol.length ? bytes.length : protocol.length;
        if (!slice_is_equal(slice_part(bytes, 0, shown), slice_part(protocol, 0, shown)))
            return PROBE_NO;
        return shown == protocol.length ? PROBE_YES : PROBE_MAYBE;
    }
    size_t length = 0;
    while (length < bytes.length && length <= HTTP1_METHOD_MAXIMUM &&
           http1_token[bytes.data[length]])
        length++;
    if (length > HTTP1_METHOD_MAXIMUM)
        return PROBE_NO;
    if (length == bytes.length)
        return PROBE_MAYBE;
    return length > 0 && (bytes.data[length] == ' ' || bytes.data[length] == '\t') ? PROBE_YES
                                                                                   : PROBE_NO;
}
