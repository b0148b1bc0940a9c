/*
 * http1_head: a head's header lines (RFC 9112 §5) and what they say about the body (§6). Tolerant
 * where the meaning is certain; what is not certain gets a reason.
 */
#include "parse/http1.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline bool is_name(struct slice name, const char *lower, size_t length)
{
    return slice_is_equal_ignoring_case(name, (struct slice){(const uint8_t *)lower, length});
}
#define IS_NAME(name, literal) is_name(name, literal, sizeof(literal) - 1)

/* One Content-Length value (RFC 9112 §6.3 rule 5: a list of equal numbers is one number). */
static void add_length(struct http1_framing *framing, struct slice value)
{
    for (;;) {
        size_t comma = slice_find(value, ',');
        struct slice item = slice_trim_ows(slice_part(value, 0, comma));
        uint64_t number = 0;
        bool is_bad = item.length == 0 || item.length > 18;
        for (size_t i = 0; i < item.length && !is_bad; i++) {
            uint8_t digit = (uint8_t)(item.data[i] - '0');
            is_bad = digit > 9;
            number = number * 10 + digit;
        }
        if (is_bad) {
            framing->reasons |= HTTP1_BIT(LENGTH);
            framing->is_untrusted = true;
        } else if (framing->has_length && framing->length != number) {
            framing->reasons |= HTTP1_BIT(LENGTHS);
            framing->is_untrusted = true;
        } else {
            framing->length = number;
        }
        framing->has_length = true;
        if (comma == value.length)
            return;
        value = slice_part(value, comma + 1, SIZE_MAX);
    }
}

/* One Transfer-Encoding value: a list of codings, of which chunked must be the last (§6.1). */
static void add_coding(struct http1_framing *framing, struct slice value)
{
    framing->has_coding = true;
    for (;;) {
        size_t comma = slice_find(value, ',');
        struct slice item = slice_trim_ows(slice_part(value, 0, comma));
        if (item.length) {
            bool is_chunked = IS_NAME(item, "chunked");
            if (framing->has_chunked) {
                framing->reasons |= HTTP1_BIT(CODING);
                framing->is_untrusted = true;
            }
            framing->has_chunked |= is_chunked;
            framing->has_other |= !is_chunked;
            framing->is_chunked = is_chunked;
        }
        if (comma == value.length)
            return;
        value = slice_part(value, comma + 1, SIZE_MAX);
    }
}

static void add_framing(struct http1_framing *framing, struct slice name, struct slice value)
{
    if (name.length == 14 && IS_NAME(name, "content-length"))
        add_length(framing, value);
    else if (name.length == 17 && IS_NAME(name, "transfer-encoding"))
        add_coding(framing, value);
}

void http1_framing_merge(struct http1_framing *framing, const struct http1_framing *later)
{
    if (framing->has_length && later->has_length && framing->length != later->length) {
        framing->reasons |= HTTP1_BIT(LENGTHS);
        framing->is_untrusted = true;
    }
    if (later->has_length)
        framing->length = later->length;
    if (later->has_coding) {
        if (framing->has_chunked) {
            framing->reasons |= HTTP1_BIT(CODING);
            framing->is_untrusted = true;
        }
        framing->is_chunked = later->is_chunked;
    }
    framing->has_length |= later->has_length;
    framing->has_coding |= later->has_coding;
    framing->has_chunked |= later->has_chunked;
    framing->has_other |= later->has_other;
    framing->is_untrusted |= later->is_untrusted;
    framing->reasons |= later->reasons;
}

void http1_framing_conclude(struct http1_framing *framing, enum http1_role role, bool is_1_0)
{
    if (framing->has_length && framing->has_coding) {
        framing->reasons |= HTTP1_BIT(LENGTH_AND_CODING);
        framing->is_untrusted = true;
    }
    /* §6.1: a 1.0 message with Transfer-Encoding is framed faultily; §6.3 rule 4 for requests. */
    bool is_endless_request = role == HTTP1_REQUEST && !framing->is_chunked;
    if (framing->has_coding && (is_1_0 || is_endless_request)) {
        framing->reasons |= HTTP1_BIT(CODING);
        framing->is_untrusted = true;
    }
}

static void take_host(struct http1_head *head, struct slice value)
{
    if (head->host.data && !slice_is_equal_ignoring_case(head->host, value)) {
        head->has_differing_hosts = true;
        head->reasons |= HTTP1_BIT(HOSTS);
    }
    head->host = value;
}

/*
 * The names of headers that matter. A regular name is all token characters, and of those only the
 * two cases of a letter become equal when bit 0x20 is set.
 */
static inline uint64_t lower_8(const void *data)
{
    uint64_t word;

    memcpy(&word, data, sizeof(word));
    return word | 0x2020202020202020u;
}

static inline uint32_t lower_4(const void *data)
{
    uint32_t word;

    memcpy(&word, data, sizeof(word));
    return word | 0x20202020u;
}

/* All lengths are constants: a few comparisons of words, the last of which overlap. */
static inline __attribute__((always_inline)) bool is_token_name(const uint8_t *name,
                                                                const char *lower, size_t length)
{
    uint64_t difference = 0;

    if (length < 4)
        return (name[0] | 0x20) == lower[0] && (name[length - 1] | 0x20) == lower[length - 1];
    if (length < 8)
        return lower_4(name) == lower_4(lower) &&
               lower_4(name + length - 4) == lower_4(lower + length - 4);
    for (size_t at = 0; at + 8 <= length; at += 8)
        difference |= lower_8(name + at) ^ lower_8(lower + at);
    difference |= lower_8(name + length - 8) ^ lower_8(lower + length - 8);
    return difference == 0;
}
#define IS_TOKEN_NAME(name, literal) is_token_name((name).data, literal, sizeof(literal) - 1)

/* Notes what is needed of well-known headers. */
static void classify_known(struct http1_head *head, struct slice name, struct slice value)
{
    switch (name.length) {
    case 2:
        if (IS_TOKEN_NAME(name, "b3"))
            head->ids.b3 = value;
        break;
    case 4:
        if (IS_TOKEN_NAME(name, "host"))
            take_host(head, value);
        break;
    case 7:
        if (IS_TOKEN_NAME(name, "upgrade"))
            head->upgrade = value;
        break;
    case 10:
        if (IS_TOKEN_NAME(name, "user-agent") && !head->user_agent.data)
            head->user_agent = value;
        else if (IS_TOKEN_NAME(name, "request-id"))
            http_fields_take_request_id(&head->ids, value, 3);
        break;
    case 11:
        if (IS_TOKEN_NAME(name, "traceparent"))
            head->ids.traceparent = value;
        else if (IS_TOKEN_NAME(name, "x-b3-spanid"))
            head->ids.b3_span_id = value;
        break;
    case 12:
        if (IS_TOKEN_NAME(name, "content-type"))
            head->content_type = value;
        else if (IS_TOKEN_NAME(name, "x-request-id"))
            http_fields_take_request_id(&head->ids, value, 1);
        else if (IS_TOKEN_NAME(name, "x-b3-traceid"))
            head->ids.b3_trace_id = value;
        break;
    case 14:
        if (IS_TOKEN_NAME(name, "content-length"))
            add_length(&head->framing, value);
        else if (IS_TOKEN_NAME(name, "correlation-id"))
            http_fields_take_request_id(&head->ids, value, 4);
        break;
    case 16:
        if (IS_TOKEN_NAME(name, "content-encoding"))
            head->has_content_coding = true;
        else if (IS_TOKEN_NAME(name, "x-correlation-id"))
            http_fields_take_request_id(&head->ids, value, 2);
        else if (IS_TOKEN_NAME(name, "x-amzn-requestid"))
            http_fields_take_request_id(&head->ids, value, 5);
        break;
    case 17:
        if (IS_TOKEN_NAME(name, "transfer-encoding"))
            add_coding(&head->framing, value);
        break;
    default:
        break;
    }
}

/* Most names are none of those: for each length the first letters that are. */
static inline bool is_notable(struct slice name)
{
#define LETTER(letter) (1u << ((letter)&31))
    static const uint32_t firsts[32] = {
        [2] = LETTER('b'),
        [4] = LETTER('h'),
        [7] = LETTER('u'),
        [10] = LETTER('u') | LETTER('r'),
        [11] = LETTER('t') | LETTER('x'),
        [12] = LETTER('x') | LETTER('c'),
        [14] = LETTER('c'),
        [16] = LETTER('x') | LETTER('c'),
        [17] = LETTER('t'),
    };
#undef LETTER
    return name.length < 32 && firsts[name.length] >> (name.data[0] & 31) & 1;
}

static inline void classify(struct http1_head *head, struct slice name, struct slice value)
{
    if (is_notable(name))
        classify_known(head, name, value);
}

bool http1_head_is_notable(struct slice name)
{
    return is_notable(name);
}

void http1_head_note(struct http1_head *head, const struct header *header)
{
    classify_known(head, header->name, header->value);
}

static bool is_framing_name(struct slice name)
{
    return IS_NAME(name, "content-length") || IS_NAME(name, "transfer-encoding");
}

/*
 * The length of the token that the line starts with. SSE2: 16 bytes a step of the characters that
 * names are made of in practice; the table decides about the rest.
 */
static inline size_t token_length(struct slice line, const uint8_t *readable_end)
{
    size_t at = 0;
#ifdef __SSE2__
    while (line.data + at + 16 <= readable_end) {
        __m128i block = _mm_loadu_si128((const __m128i *)(line.data + at));
        __m128i lower = _mm_or_si128(block, _mm_set1_epi8(0x20));
        __m128i letter = _mm_sub_epi8(lower, _mm_set1_epi8((char)('a' + 128)));
        __m128i is_letter = _mm_cmplt_epi8(letter, _mm_set1_epi8(-128 + 26));
        __m128i is_hyphen = _mm_cmpeq_epi8(block, _mm_set1_epi8('-'));
        unsigned good = (unsigned)_mm_movemask_epi8(_mm_or_si128(is_letter, is_hyphen));
        at += (size_t)__builtin_ctz(~good);
        if (at >= line.length)
            return line.length;
        if (good != 0xffff)
            break;
    }
    if (at < line.length && line.data[at] == ':')
        return at;
#else
    (void)readable_end;
#endif
    while (at < line.length && http1_token[line.data[at]])
        at++;
    return at;
}

struct split {
    struct http1_head *head;
    const uint8_t *readable_end;
    bool has_current;  /* a header whose value may be folded on */
    bool is_irregular; /* its name is not certain */
    struct header current;
};

static inline void add_header(struct http1_head *head, struct slice name, struct slice value)
{
    if (head->count < head->capacity)
        head->headers[head->count++] = (struct header){name, value};
    else if (head->capacity)
        head->is_truncated = true;
}

/* The header is complete. */
static inline void flush(struct split *split)
{
    struct http1_head *head = split->head;
    if (!split->has_current)
        return;
    split->has_current = false;
    struct header header = split->current;
    add_header(head, header.name, header.value);
    if (!split->is_irregular)
        classify(head, header.name, header.value);
    else if (is_framing_name(slice_trim_ows(header.name)))
        head->framing.is_untrusted = true;
}

/* obs-fold (§5.2): the value goes on, and keeps the line end as it was on the wire. */
static void fold(struct split *split, struct slice line)
{
    split->head->reasons |= HTTP1_BIT(FOLD);
    struct slice text = slice_trim_ows(line);
    const uint8_t *end = text.data + text.length;
    if (text.length)
        split->current.value.length = (size_t)(end - split->current.value.data);
    if (is_framing_name(split->current.name))
        split->head->framing.is_untrusted = true;
}

/* One header line without its line end; false: it is no regular one. */
static inline bool add_regular_line(struct http1_head *head, struct slice line,
                                    const uint8_t *readable_end)
{
    size_t length = token_length(line, readable_end);
    if (length == line.length || line.data[length] != ':' || length == 0)
        return false;
    struct slice name = {line.data, length};
    struct slice value = {line.data + length + 1, line.length - length - 1};
    bool is_usual = value.length > 1 && value.data[0] == ' ' && value.data[1] > ' ' &&
                    value.data[value.length - 1] > ' ';
    value = is_usual ? (struct slice){value.data + 1, value.length - 1} : slice_trim_ows(value);
    add_header(head, name, value);
    classify(head, name, value);
    return true;
}

bool http1_head_add_line(struct http1_head *head, struct slice line, const uint8_t *readable_end)
{
    return add_regular_line(head, line, readable_end);
}

/* Any header line. */
static void add_line(struct split *split, struct slice line)
{
    struct http1_head *head = split->head;
    if (http1_is_white(line.data[0]) && split->has_current) {
        fold(split, line);
        return;
    }
    flush(split);
    split->has_current = true;
    split->is_irregular = false;
    size_t length = token_length(line, split->readable_end);
    if (length == line.length || line.data[length] != ':' || length == 0) {
        size_t colon = slice_find(line, ':');
        split->is_irregular = true;
        if (colon == line.length)
            head->reasons |= HTTP1_BIT(COLON);
        else if (length > 0 && slice_trim_ows(slice_part(line, 0, colon)).length == length)
            head->reasons |= HTTP1_BIT(SPACE);
        else
            head->reasons |= HTTP1_BIT(NAME);
        length = colon;
    }
    split->current.name = slice_part(line, 0, length);
    if (split->is_irregular) /* so that masking knows the name; the head's bytes keep the rest */
        split->current.name = slice_trim_ows(split->current.name);
    split->current.value = slice_trim_ows(slice_part(line, length + 1, SIZE_MAX));
}

static inline struct slice line_at(struct slice bytes, size_t start, size_t end)
{
    if (end > start && bytes.data[end - 1] == '\r')
        end--;
    return (struct slice){bytes.data + start, end - start};
}

/* All lines from `start` on; `index` is the number of the first of them. */
static void split_lines(struct slice bytes, const uint8_t *readable_end,
                        const struct http1_lines *lines, size_t start, uint32_t index,
                        struct http1_head *head)
{
    struct split split = {.head = head, .readable_end = readable_end};
    for (; index < lines->count; index++) {
        size_t end = index < HTTP1_LINES_KEPT
                         ? lines->ends[index]
                         : start + slice_find(slice_part(bytes, start, SIZE_MAX), '\n');
        struct slice line = line_at(bytes, start, end);
        start = end + 1;
        if (line.length == 0)
            break;
        bool is_folded = http1_is_white(line.data[0]) ||
                         (start < bytes.length && http1_is_white(bytes.data[start]));
        if (!is_folded)
            flush(&split);
        if (is_folded || !add_regular_line(head, line, readable_end))
            add_line(&split, line);
    }
    flush(&split);
}

void http1_head_conclude(struct http1_head *head, enum http1_role role)
{
    bool is_1_0 = head->version.length == 3 && head->version.data[2] == '0';
    http1_framing_conclude(&head->framing, role, is_1_0);
    head->reasons |= head->framing.reasons;
}

void http1_head_split(struct slice bytes, const uint8_t *readable_end,
                      const struct http1_lines *lines, enum http1_role role,
                      struct http1_head *head)
{
    size_t end = lines->count ? lines->ends[0] : bytes.length;
    head->is_start_complete = lines->count > 0;
    head->reasons |= lines->reasons;
    struct slice line = line_at(bytes, 0, end);
    http1_start_split(line, role, head);
    if (lines->count)
        split_lines(bytes, readable_end, lines, end + 1, 1, head);
    http1_head_conclude(head, role);
}

void http1_head_split_trailer(struct slice bytes, const uint8_t *readable_end,
                              const struct http1_lines *lines, struct http1_head *head)
{
    head->reasons |= lines->reasons;
    split_lines(bytes, readable_end, lines, 0, 0, head);
}

void http1_head_add_long_line(struct http1_long *over, struct slice line, bool is_cut)
{
    if (line.length && line.data[line.length - 1] == '\r')
        line.length--;
    if (line.length == 0)
        return;
    if (http1_is_white(line.data[0])) {
        over->has_fold = true;
        over->reasons |= HTTP1_BIT(FOLD);
        return;
    }
    size_t colon = slice_find(line, ':');
    struct slice name = slice_part(line, 0, colon);
    struct slice trimmed = slice_trim_ows(name);
    if (!is_framing_name(trimmed))
        return;
    if (is_cut || trimmed.length != name.length || colon == line.length)
        over->framing.is_untrusted = true;
    else
        add_framing(&over->framing, name, slice_trim_ows(slice_part(line, colon + 1, SIZE_MAX)));
}
