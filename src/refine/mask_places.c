/*
 * mask_places: parameters are found by their '=': the name stands before it, what stands before
 * the name says how far the value goes. A value that could end in two ways ends at the later one.
 * RFC 3986 §3 (URLs), RFC 9110 §11.4 (credentials), RFC 6265 §4 (cookies).
 */
#include "refine/mask_places.h"

static inline bool is_name_byte(uint8_t byte)
{
    static const uint8_t is_name[256] = {
        ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1, ['_'] = 1, ['-'] = 1,
        ['.'] = 1,         ['%'] = 1,         ['['] = 1,         [']'] = 1, ['$'] = 1,
        [':'] = 1,         ['~'] = 1,         ['*'] = 1,         ['!'] = 1, [0x80 ... 0xff] = 1,
    };

    return is_name[byte];
}

static bool is_one_of(uint8_t byte, const char *set)
{
    return byte && strchr(set, byte);
}

/* "%3d" or "%3D" at `at`? `code`: two lower-case hex digits. */
static bool is_encoded(struct slice text, size_t at, const char *code)
{
    return at + 2 < text.length && text.data[at] == '%' && text.data[at + 1] == (uint8_t)code[0] &&
           (text.data[at + 2] | 0x20) == code[1];
}

static bool is_encoded_delimiter(struct slice text, size_t at)
{
    return is_encoded(text, at, "26") || is_encoded(text, at, "23") || is_encoded(text, at, "20") ||
           is_encoded(text, at, "22");
}

/*
 * Which bytes end a value whose name is preceded by `before` (0: nothing). White space always
 * does.
 */
static const char *terminators_of(enum mask_text kind, uint8_t before, bool is_in_path)
{
    if (is_in_path)
        return "/?#;&,\"<>";
    if (kind != MASK_TEXT_HEADER || is_one_of(before, "?&#"))
        return "&#\"<>";
    if (before == ';')
        return "/?#;&,\"<>";
    return before ? ",;&\"<>" : ";&\"<>";
}

static size_t value_end(struct slice text, size_t at, const char *terminators,
                        bool is_encoded_value)
{
    if (at < text.length && text.data[at] == '"') { /* a quoted string: RFC 9110 §5.6.4 */
        for (at++; at < text.length && text.data[at] != '"'; at++)
            at += text.data[at] == '\\';
        return at < text.length ? at + 1 : text.length;
    }
    while (at < text.length && text.data[at] > ' ' && !is_one_of(text.data[at], terminators) &&
           !(is_encoded_value && is_encoded_delimiter(text, at)))
        at++;
    return at;
}

/*
 * The value that begins at `at`, when the name before `name_end` is secret. Returns where to go
 * on.
 */
static size_t try_parameter(struct slice text, size_t name_end, size_t at, enum mask_text kind,
                            bool is_in_path, struct mask_patterns *patterns,
                            struct mask_spans *spans)
{
    size_t start = name_end, end;
    uint8_t before;

    while (start > 0 && name_end - start < MASK_PARAMETER_MAXIMUM &&
           is_name_byte(text.data[start - 1]))
        start--;
    if (start == name_end ||
        !mask_patterns_is_secret_parameter(patterns, slice_part(text, start, name_end - start)))
        return at;
    before = start > 0 ? text.data[start - 1] : 0;
    end = value_end(text, at, terminators_of(kind, before, is_in_path), text.data[name_end] == '%');
    mask_spans_add(spans, at, end);
    return end;
}

void mask_places_find_parameters(struct slice text, enum mask_text kind, bool has_percent,
                                 struct mask_patterns *patterns, struct mask_spans *spans)
{
    size_t path_end = 0, at = 0;

    if (kind == MASK_TEXT_PATH)
        path_end = text.length;
    else if (kind == MASK_TEXT_TARGET)
        path_end = slice_find(text, '?');
    while (at < text.length) {
        if (!has_percent)
            at += slice_find(slice_part(text, at, text.length), '=');
        if (at == text.length)
            break;
        if (text.data[at] == '=')
            at = try_parameter(text, at, at + 1, kind, at < path_end, patterns, spans);
        else if (text.data[at] == '%' && is_encoded(text, at, "3d"))
            at = try_parameter(text, at, at + 3, kind, at < path_end, patterns, spans);
        else
            at++;
    }
}

/*
 * The last '@' of the authority that begins at `start` ends its userinfo. Returns where to go on.
 */
static size_t try_userinfo(struct slice text, size_t start, struct mask_spans *spans)
{
    size_t at = start, last = start;

    for (; at < text.length && text.data[at] > ' ' && !is_one_of(text.data[at], "/?#\"<>"); at++) {
        if (is_encoded(text, at, "2f") || is_encoded(text, at, "3f") || is_encoded(text, at, "26"))
            break;
        if (text.data[at] == '@' || is_encoded(text, at, "40"))
            last = at;
    }
    mask_spans_add(spans, start, last);
    return at;
}

void mask_places_find_userinfo(struct slice text, enum mask_text kind, struct mask_spans *spans)
{
    size_t at = 0;

    if (kind == MASK_TEXT_TARGET && text.length && text.data[0] != '/')
        try_userinfo(text, 0, spans); /* authority-form, and what looks like it */
    for (at = 0; at + 1 < text.length;) {
        if (text.data[at] == '/' && text.data[at + 1] == '/')
            at = try_userinfo(text, at + 2, spans);
        else if (is_encoded(text, at, "2f") && is_encoded(text, at + 3, "2f"))
            at = try_userinfo(text, at + 6, spans);
        else
            at++;
    }
}

/*
 * The scheme tells one use from another and is kept: a token of letters and dashes, or one of the
 * few with digits. Anything else at the scheme's place may be the secret itself.
 */
static bool is_scheme(struct slice word)
{
    static const char *const with_digits[] = {"aws4-hmac-sha256", "aws4-ecdsa-p256-sha256",
                                              "scram-sha-1",      "scram-sha-256",
                                              "oauth2",           NULL};

    for (size_t i = 0; with_digits[i]; i++) {
        if (slice_is_equal_ignoring_case(word, slice_of_string(with_digits[i])))
            return true;
    }
    for (size_t i = 0; i < word.length; i++) {
        if ((uint8_t)((word.data[i] | 0x20) - 'a') >= 26 && (word.data[i] != '-' || i == 0))
            return false;
    }
    return word.length > 0 && word.length <= 20;
}

static void find_credentials(struct slice value, struct mask_spans *spans)
{
    size_t start = 0, at;

    while (start < value.length && value.data[start] <= ' ')
        start++;
    for (at = start; at < value.length && value.data[at] > ' ';)
        at++;
    if (at == value.length || !is_scheme(slice_part(value, start, at - start)))
        at = start;
    while (at < value.length && value.data[at] <= ' ')
        at++;
    mask_spans_add(spans, at, value.length);
}

static size_t skip_space(struct slice text, size_t at, size_t end)
{
    while (at < end && text.data[at] <= ' ')
        at++;
    return at;
}

static size_t trim_space(struct slice text, size_t start, size_t end)
{
    while (end > start && text.data[end - 1] <= ' ')
        end--;
    return end;
}

/*
 * name=value at [start, end): the value. Without '=', or with nothing but padding behind it: all.
 */
static void find_pair(struct slice value, size_t start, size_t end, struct mask_spans *spans)
{
    size_t equals, content;

    start = skip_space(value, start, end);
    end = trim_space(value, start, end);
    equals = start + slice_find(slice_part(value, start, end - start), '=');
    if (equals < end) {
        content = skip_space(value, equals + 1, end);
        if (content == end || value.data[content] != '=') {
            mask_spans_add(spans, content, end);
            return;
        }
    }
    mask_spans_add(spans, start, end);
}

/* Attributes of Set-Cookie (RFC 6265 §4.1.2, RFC 2965 §3.2) hold no secrets. */
static bool is_cookie_attribute(struct slice name)
{
    static const char *const names[] = {
        "path",        "domain",   "expires", "max-age", "secure", "httponly", "samesite",
        "partitioned", "priority", "version", "discard", "port",   NULL};

    for (size_t i = 0; names[i]; i++) {
        if (slice_is_equal_ignoring_case(name, slice_of_string(names[i])))
            return true;
    }
    return false;
}

static void find_attribute(struct slice value, size_t start, size_t end, struct mask_spans *spans)
{
    struct slice part;
    size_t equals, comma;

    start = skip_space(value, start, end);
    end = trim_space(value, start, end);
    part = slice_part(value, start, end - start);
    equals = slice_find(part, '=');
    if (!is_cookie_attribute(slice_trim_ows(slice_part(part, 0, equals)))) {
        find_pair(value, start, end, spans);
        return;
    }
    /* Several cookies may stand in one field; only a date holds a comma. */
    comma = slice_find(part, ',');
    if (comma < part.length && (part.data[0] | 0x20) == 'e') {
        size_t second = comma + 1 + slice_find(slice_part(part, comma + 1, part.length), ',');

        comma = second;
    }
    if (comma < part.length)
        mask_spans_add(spans, start + comma + 1, end);
}

static void find_cookies(struct slice value, bool has_attributes, struct mask_spans *spans)
{
    size_t start = 0;

    while (start < value.length) {
        size_t end = start + slice_find(slice_part(value, start, value.length), ';');

        if (has_attributes && start > 0)
            find_attribute(value, start, end, spans);
        else
            find_pair(value, start, end, spans);
        start = end + 1;
    }
}

/* Where the value begins behind blanks and the line ends of a fold (RFC 9112 §5.2). */
static size_t skip_blank(struct slice value)
{
    size_t at = 0;

    while (at < value.length && is_one_of(value.data[at], " \t\r\n"))
        at++;
    return at;
}

void mask_places_find_value(struct slice value, enum mask_manner manner, struct mask_spans *spans)
{
    switch (manner) {
    case MASK_CREDENTIALS:
        find_credentials(value, spans);
        break;
    case MASK_COOKIE:
        find_cookies(value, false, spans);
        break;
    case MASK_SET_COOKIE:
        find_cookies(value, true, spans);
        break;
    case MASK_WHOLE:
        /* All of it: gRPC's binary values may begin with what is white space elsewhere. */
        mask_spans_add(spans, skip_blank(value), value.length);
        break;
    }
}
