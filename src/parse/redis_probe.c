/*
 * redis_probe: RESP is sure by its first lines; an inline command is a line of text as many
 * protocols have it, and waits for a reply that is sure.
 */
#include "parse/redis.h"

/* A line without its CRLF; `ret_next` is behind it. NO: what is there cannot become one. */
static enum probe_verdict take_line(struct slice bytes, size_t maximum, struct slice *ret_line,
                                    struct slice *ret_next)
{
    size_t end = slice_find(slice_part(bytes, 0, maximum), '\n');
    if (end == maximum)
        return PROBE_NO;
    if (end == bytes.length)
        return PROBE_MAYBE;
    if (end == 0 || bytes.data[end - 1] != '\r')
        return PROBE_NO;
    *ret_line = slice_part(bytes, 0, end - 1);
    *ret_next = slice_part(bytes, end + 1, SIZE_MAX);
    return PROBE_YES;
}

static bool is_number(struct slice text, bool is_signed)
{
    if (is_signed && text.length && text.data[0] == '-')
        text = slice_part(text, 1, SIZE_MAX);
    for (size_t i = 0; i < text.length; i++) {
        if ((uint8_t)(text.data[i] - '0') > 9)
            return false;
    }
    return text.length > 0 && text.length < 12;
}

static bool is_partial_number(struct slice text)
{
    text = slice_part(text, 0, slice_find(text, '\r'));
    return text.length == 0 || is_number(text, true) || text.data[0] == '?' ||
           (text.length == 1 && text.data[0] == '-');
}

static bool is_name(struct slice name)
{
    for (size_t i = 0; i < name.length; i++) {
        uint8_t byte = name.data[i] | 0x20;
        if (!((byte >= 'a' && byte <= 'z') ||
              (i && (name.data[i] == '.' || name.data[i] == '_' || name.data[i] == '-' ||
                     (uint8_t)(name.data[i] - '0') <= 9))))
            return false;
    }
    return name.length > 0;
}

static uint64_t number_of(struct slice text)
{
    uint64_t number = 0;
    for (size_t i = 0; i < text.length; i++)
        number = number * 10 + (uint8_t)(text.data[i] - '0');
    return number;
}

static bool is_status(struct slice text)
{
    static const char *const known[] = {"OK",    "PONG",   "QUEUED", "RESET", "CONTINUE",
                                        "NOKEY", "string", "none",   NULL};
    for (size_t i = 0; known[i]; i++) {
        if (slice_is_equal(text, slice_of_string(known[i])))
            return true;
    }
    return text.length > 10 && memcmp(text.data, "FULLRESYNC ", 11 < text.length ? 11 : 10) == 0;
}

/* "-ERR what" and the like: a word in capitals. */
static bool is_error_line(struct slice text)
{
    size_t length = 0;
    while (length < text.length && text.data[length] >= 'A' && text.data[length] <= 'Z')
        length++;
    return length >= 3 && (length == text.length || text.data[length] == ' ');
}

static enum probe_verdict probe_scalar(uint8_t type, struct slice line)
{
    bool is_right;
    switch (type) {
    case '+':
        is_right = is_status(line);
        break;
    case '-':
        is_right = is_error_line(line);
        break;
    case '_':
        is_right = line.length == 0;
        break;
    case '#':
        is_right = line.length == 1 && (line.data[0] == 't' || line.data[0] == 'f');
        break;
    case ',':
    case '(':
        is_right = line.length > 0 && (is_partial_number(slice_part(line, 0, 1)));
        break;
    default:
        is_right = is_number(line, type == ':' || type == '$' || type == '*');
        break;
    }
    return is_right ? PROBE_YES : PROBE_NO;
}

/* Commands and replies may both be arrays of bulk strings: the first tells, if anything does. */
static enum probe_verdict probe_bulk_array(struct slice count, struct slice bytes,
                                           enum redis_side *ret_side)
{
    struct slice line, next;
    enum probe_verdict verdict = take_line(slice_part(bytes, 1, SIZE_MAX), 16, &line, &next);
    if (verdict != PROBE_YES)
        return verdict == PROBE_NO || !is_partial_number(slice_part(bytes, 1, SIZE_MAX))
                   ? PROBE_NO
                   : PROBE_MAYBE;
    if (!is_number(line, true))
        return PROBE_NO;
    uint64_t length = line.data[0] == '-' ? 0 : number_of(line);
    *ret_side = REDIS_SERVER;
    if (line.data[0] == '-' || length == 0 || length > REDIS_WORD_KEPT || count.length > 7)
        return PROBE_YES;
    struct slice name = slice_part(next, 0, length);
    if (name.length && !is_name(name))
        return PROBE_YES;
    if (next.length < length + 2)
        return PROBE_MAYBE;
    if (next.data[length] != '\r' || next.data[length + 1] != '\n')
        return PROBE_NO;
    struct slice second = slice_part(next, length + 2, 1);
    *ret_side = redis_command_find(name) ? REDIS_CLIENT : REDIS_EITHER;
    if (number_of(count) > 1 && !second.length)
        return PROBE_MAYBE; /* ["subscribe", channel, 1] has a number at the end; the rest has not
                             */
    return PROBE_YES;
}

static enum probe_verdict probe_resp(struct slice bytes, enum redis_side *ret_side)
{
    struct slice line, next;
    uint8_t type = bytes.data[0];
    size_t maximum = type == '-' ? REDIS_REPLY_PROBED : 64;
    enum probe_verdict verdict = take_line(slice_part(bytes, 1, SIZE_MAX), maximum, &line, &next);
    bool is_numbered = strchr(":$*%~>|!=", type);
    *ret_side = REDIS_SERVER;
    if (verdict == PROBE_MAYBE && is_numbered && !is_partial_number(slice_part(bytes, 1, SIZE_MAX)))
        return PROBE_NO;
    if (verdict != PROBE_YES)
        return verdict;
    if (probe_scalar(type, line) == PROBE_NO)
        return PROBE_NO;
    /* Of nothing: a reply, or a command that a server passes over. */
    if (type == '*' && (line.data[0] == '-' || line.data[0] == '0'))
        *ret_side = REDIS_EITHER;
    bool is_aggregate = strchr("*%~>|", type) && line.data[0] != '-' && line.data[0] != '0';
    if (!is_aggregate)
        return PROBE_YES;
    if (next.length == 0)
        return PROBE_MAYBE;
    if (type == '*' && next.data[0] == '$')
        return probe_bulk_array(line, next, ret_side);
    uint8_t inner = next.data[0];
    if (!inner || !strchr("+-:$*_#,(!=%~>|", inner))
        return PROBE_NO;
    verdict = take_line(slice_part(next, 1, SIZE_MAX), REDIS_REPLY_PROBED, &line, &next);
    if (verdict == PROBE_YES && inner != '+' && inner != '-')
        verdict = probe_scalar(inner, line);
    return verdict;
}

static enum probe_verdict probe_inline(struct slice bytes, enum redis_side *ret_side)
{
    uint8_t first = bytes.data[0] | 0x20;
    *ret_side = REDIS_CLIENT;
    if (first < 'a' || first > 'z' || bytes.length > REDIS_INLINE_PROBED)
        return PROBE_NO;
    for (size_t i = 0; i < bytes.length; i++) {
        uint8_t byte = bytes.data[i];
        bool is_start = i && bytes.data[i - 1] == '\n';
        if ((byte < ' ' || byte == 0x7f) && byte != '\t' && byte != '\r' && byte != '\n')
            return PROBE_NO;
        if (is_start && byte != '\r' && byte != '\n' && !is_name(slice_part(bytes, i, 1)) &&
            byte != '*')
            return PROBE_NO;
    }
    return PROBE_MAYBE;
}

enum probe_verdict redis_probe_bytes(struct slice bytes, enum redis_side *ret_side)
{
    *ret_side = REDIS_UNKNOWN;
    while (bytes.length && (bytes.data[0] == '\r' || bytes.data[0] == '\n'))
        bytes = slice_part(bytes, 1, SIZE_MAX);
    if (bytes.length == 0)
        return PROBE_NO;
    if (bytes.data[0] && strchr("*+-:$_#,(!=%~>|", bytes.data[0]))
        return probe_resp(bytes, ret_side);
    return probe_inline(bytes, ret_side);
}

bool redis_probe_start(struct slice bytes, bool is_request)
{
    enum redis_side side;
    enum probe_verdict verdict = redis_probe_bytes(bytes, &side);
    if (is_request)
        return verdict == PROBE_YES && (side == REDIS_CLIENT || side == REDIS_EITHER);
    return verdict == PROBE_YES && side != REDIS_CLIENT;
}

/* Behind a line's end an array whose first string is a command that is known. */
size_t redis_probe_find(struct slice bytes)
{
    static const char start[] = "\r\n*";
    size_t at = 0;
    while (at < bytes.length) {
        const uint8_t *found = memmem(bytes.data + at, bytes.length - at, start, sizeof(start) - 1);
        enum redis_side side;
        if (!found)
            break;
        at = (size_t)(found - bytes.data) + 2;
        if (redis_probe_bytes(slice_part(bytes, at, SIZE_MAX), &side) == PROBE_YES &&
            side == REDIS_CLIENT)
            return at;
    }
    return bytes.length;
}
