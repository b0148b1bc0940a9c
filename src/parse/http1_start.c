/*
 * http1_start: a head's start line: the request line (RFC 9112 §3) and the status line (§4).
 * Tolerant where the meaning is certain; what is not certain gets a reason.
 */
#include "parse/http1.h"

/* The version, when the line's last word is one; the line without it. */
static struct slice take_version(struct http1_head *head, struct slice line)
{
    size_t start = line.length;
    bool has_usual = start >= 8 && (start == 8 || http1_is_white(line.data[start - 9]));
    if (has_usual && memcmp(line.data + start - 8, "HTTP/1.1", 8) == 0) {
        head->version = slice_part(line, start - 3, 3);
        return slice_trim_ows(slice_part(line, 0, start - 8));
    }
    while (start > 0 && !http1_is_white(line.data[start - 1]))
        start--;
    struct slice word = slice_part(line, start, SIZE_MAX);
    if (word.length < 5 || memcmp(word.data, "HTTP/", 5) != 0) {
        head->reasons |= HTTP1_BIT(VERSION);
        head->framing.is_untrusted = true;
        return line;
    }
    bool is_known = word.length == 8 && memcmp(word.data, "HTTP/1.", 7) == 0 &&
                    (word.data[7] == '0' || word.data[7] == '1');
    if (is_known) {
        head->version = slice_part(word, 5, SIZE_MAX);
    } else {
        head->reasons |= HTTP1_BIT(VERSION);
        head->framing.is_untrusted = true;
    }
    return slice_trim_ows(slice_part(line, 0, start));
}

/* Is it one of the four forms (§3.2)? */
static bool is_target_form(struct slice method, struct slice target)
{
    size_t at = 0;
    if (target.length == 0 || target.data[0] == '/')
        return true;
    if (target.length == 1 && target.data[0] == '*')
        return slice_is_equal(method, SLICE_LITERAL("OPTIONS"));
    if (slice_is_equal(method, SLICE_LITERAL("CONNECT")))
        return true;
    /* absolute-form: a scheme (RFC 3986 §3.1), whose characters are token characters. */
    while (at < target.length && http1_token[target.data[at]])
        at++;
    return at > 0 && at < target.length && target.data[at] == ':';
}

/* A line without its end: its last word may be a version that is not known, however it goes on. */
static bool has_bad_version(struct slice line)
{
    size_t start = line.length;
    while (start > 0 && !http1_is_white(line.data[start - 1]))
        start--;
    struct slice word = slice_part(line, start, SIZE_MAX);
    size_t length = word.length < 7 ? word.length : 7;
    return start > 0 && word.length > 5 && memcmp(word.data, "HTTP/", 5) == 0 &&
           (memcmp(word.data, "HTTP/1.", length) != 0 || word.length > 8 ||
            (word.length == 8 && word.data[7] != '0' && word.data[7] != '1'));
}

static void split_request_line(struct http1_head *head, struct slice line, bool is_complete)
{
    size_t end = 0;
    while (end < line.length && !http1_is_white(line.data[end]))
        end++;
    if (end == line.length && !is_complete)
        return;
    head->method = slice_part(line, 0, end);
    for (size_t i = 0; i < end; i++) {
        if (!http1_token[line.data[i]])
            head->reasons |= HTTP1_BIT(START_LINE);
    }
    if (!is_complete) {
        if (has_bad_version(line))
            head->reasons |= HTTP1_BIT(VERSION);
        return;
    }
    struct slice rest = slice_trim_ows(slice_part(line, end, SIZE_MAX));
    head->target = take_version(head, rest);
    if (head->target.length == 0)
        head->reasons |= HTTP1_BIT(START_LINE);
    if (http1_scan_has_control(head->target) || !is_target_form(head->method, head->target))
        head->reasons |= HTTP1_BIT(TARGET);
}

static void split_status_line(struct http1_head *head, struct slice line, bool is_complete)
{
    size_t end = 0;
    while (end < line.length && !http1_is_white(line.data[end]))
        end++;
    if (end == line.length && !is_complete)
        return;
    take_version(head, slice_part(line, 0, end));
    struct slice rest = line;
    rest = slice_part(rest, end, SIZE_MAX);
    while (rest.length && http1_is_white(rest.data[0]))
        rest = slice_part(rest, 1, SIZE_MAX);
    unsigned status = 0;
    size_t digits = 0;
    for (; digits < rest.length && (uint8_t)(rest.data[digits] - '0') <= 9 && digits < 4; digits++)
        status = status * 10 + (rest.data[digits] - '0');
    if (digits == rest.length && !is_complete)
        return;
    bool is_delimited = digits == rest.length || http1_is_white(rest.data[digits]);
    if (digits != 3 || !is_delimited || status < 100) {
        head->reasons |= HTTP1_BIT(START_LINE);
        head->framing.is_untrusted = true;
        return;
    }
    head->status = status;
    if (is_complete)
        head->reason = slice_trim_ows(slice_part(rest, digits, SIZE_MAX));
}

void http1_start_split(struct slice line, enum http1_role role, struct http1_head *head)
{
    if (role == HTTP1_REQUEST)
        split_request_line(head, line, head->is_start_complete);
    else
        split_status_line(head, line, head->is_start_complete);
}
