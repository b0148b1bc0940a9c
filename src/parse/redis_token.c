/*
 * redis_token: RESP2 and RESP3 as a stream of tokens (redis.io, "Redis serialization protocol
 * specification"; streamed types of the RESP3 draft). Nothing is recursive, and what is not wanted
 * of a text is passed over.
 */
#include "parse/redis.h"

static void malformed(struct redis_call *call, const char *reason)
{
    if (call->is_request)
        redis_request_malformed(call, reason);
    else
        call->is_bad = true; /* the server would not say so: this is something else */
}

void redis_token_reset(struct redis_direction *direction)
{
    direction->phase = REDIS_START;
    direction->depth = 0;
    direction->is_begun = direction->is_inline = direction->is_open = false;
    direction->is_chunked = direction->is_truncated = direction->is_starved = false;
    direction->has_skip = direction->has_gap = false;
    direction->number_length = 0;
    direction->top_type = 0;
    direction->index = 0;
    direction->top_count = direction->remaining = direction->size = direction->text_size = 0;
    direction->kept.length = 0;
}

static void end_message(struct redis_call *call)
{
    if (call->is_request)
        redis_request_end(call);
    else
        redis_reply_end(call);
    if (call->direction->phase != REDIS_LOST)
        redis_token_reset(call->direction);
}

/* An element is complete, and with it all that it is the last of. */
static void end_element(struct redis_call *call)
{
    struct redis_direction *direction = call->direction;
    direction->phase = REDIS_START;
    while (direction->depth) {
        struct redis_level *level = &direction->levels[direction->depth - 1];
        if (direction->depth == 1 && !level->is_attribute)
            direction->index++;
        if (level->left == UINT64_MAX || --level->left)
            return;
        direction->depth--;
        if (level->is_attribute)
            return; /* what it describes comes next */
    }
    end_message(call);
}

static void begin_aggregate(struct redis_call *call, uint64_t count, bool is_attribute)
{
    struct redis_direction *direction = call->direction;
    direction->phase = REDIS_START;
    if (count == 0 && is_attribute)
        return;
    if (count == 0) {
        end_element(call);
        return;
    }
    if (direction->depth == REDIS_DEPTH_MAXIMUM) {
        malformed(call, "nested too deeply");
        return;
    }
    direction->levels[direction->depth++] =
        (struct redis_level){.left = count, .is_attribute = is_attribute};
}

/* Is the text of the token wanted? `ret_limit`: so much of it. */
static bool is_wanted(const struct redis_call *call, size_t *ret_limit)
{
    const struct redis_direction *direction = call->direction;
    uint8_t type = direction->type;
    *ret_limit = REDIS_ARGUMENT_KEPT;
    if (call->is_request) {
        if (direction->is_inline)
            *ret_limit = call->emitter->head_maximum;
        return true;
    }
    *ret_limit = REDIS_LINE_KEPT;
    if (direction->depth == 0)
        return type == '+' || type == '-' || type == '!';
    return direction->depth == 1 && direction->index == 0 && !direction->levels[0].is_attribute;
}

static void deliver(struct redis_call *call, struct slice text, uint64_t true_size)
{
    struct redis_direction *direction = call->direction;
    size_t limit;
    bool is_asked = is_wanted(call, &limit);
    text = slice_part(text, 0, limit);
    if (call->is_request && direction->is_inline)
        redis_request_line(call, text, true_size > text.length);
    else if (call->is_request)
        redis_request_argument(call, text, true_size > text.length);
    else if (is_asked)
        redis_reply_text(call, direction->type, text);
    direction->kept.length = 0;
    direction->text_size = 0;
}

/* Keeps what is wanted of a text that comes in pieces. */
static void keep(struct redis_call *call, struct slice bytes)
{
    struct redis_direction *direction = call->direction;
    size_t limit;
    bool is_broken = direction->kept.length < direction->text_size; /* by a gap */
    direction->text_size += bytes.length;
    if (!is_wanted(call, &limit) || direction->kept.length > limit || is_broken)
        return;
    /* One more than the limit tells a text of that length from a longer one. */
    bytes = slice_part(bytes, 0, limit + 1 - direction->kept.length);
    direction->kept.maximum = call->emitter->head_maximum + REDIS_ARGUMENT_KEPT;
    if (buffer_append(&direction->kept, bytes) < 0)
        direction->is_starved = true;
}

/* The decimal number of a line; false: it is none. "?" is UINT64_MAX. */
static bool read_number(struct slice line, int64_t *ret_number, bool *ret_is_open)
{
    bool is_negative = line.length && line.data[0] == '-';
    uint64_t number = 0;
    *ret_is_open = line.length == 1 && line.data[0] == '?';
    if (*ret_is_open)
        return true;
    if (line.length && (is_negative || line.data[0] == '+'))
        line = slice_part(line, 1, SIZE_MAX);
    if (line.length == 0 || line.length > 19)
        return false;
    for (size_t i = 0; i < line.length; i++) {
        if ((uint8_t)(line.data[i] - '0') > 9)
            return false;
        number = number * 10 + (line.data[i] - '0');
    }
    if (number > INT64_MAX)
        return false;
    *ret_number = is_negative ? -(int64_t)number : (int64_t)number;
    return true;
}

static void take_top(struct redis_direction *direction, uint64_t count)
{
    if (direction->depth == 0 && direction->type != '|' && direction->type != ';') {
        direction->top_type = direction->type;
        direction->top_count = count;
    }
}

static void take_aggregate(struct redis_call *call, int64_t number, bool is_open)
{
    struct redis_direction *direction = call->direction;
    bool is_pairs = direction->type == '%' || direction->type == '|';
    bool is_null = number == -1 && direction->type == '*' && !is_open;
    if (!is_open && !is_null && (number < 0 || number > REDIS_ELEMENTS_MAXIMUM)) {
        malformed(call, "bad number of elements");
        return;
    }
    take_top(direction, is_null || is_open ? UINT64_MAX : (uint64_t)number);
    if (is_null) {
        direction->top_type = direction->depth ? direction->top_type : '_';
        end_element(call);
        return;
    }
    uint64_t count = is_open ? UINT64_MAX : (uint64_t)number << is_pairs;
    begin_aggregate(call, count, direction->type == '|');
}

static void take_bulk(struct redis_call *call, int64_t number, bool is_open)
{
    struct redis_direction *direction = call->direction;
    direction->phase = REDIS_START;
    if (is_open && direction->type == '$' && !call->is_request) {
        take_top(direction, 1);
        direction->is_chunked = true; /* until a chunk of no bytes */
        return;
    }
    if (direction->type == ';' && number == 0 && !is_open) {
        direction->is_chunked = false;
        end_element(call);
        return;
    }
    if (number == -1 && direction->type == '$' && !is_open && !call->is_request) {
        take_top(direction, 0);
        direction->top_type = direction->depth ? direction->top_type : '_';
        end_element(call);
        return;
    }
    if (is_open || number < 0 || (uint64_t)number > REDIS_BULK_MAXIMUM) {
        malformed(call, "bad length");
        return;
    }
    take_top(direction, 1);
    direction->remaining = (uint64_t)number;
    direction->text_size = 0;
    direction->kept.length = 0;
    direction->phase = REDIS_BULK;
}

/* The first line of a request: "*" and the number of arguments. */
static void take_request(struct redis_call *call, int64_t number, bool is_open)
{
    struct redis_direction *direction = call->direction;
    if (is_open || number > REDIS_ELEMENTS_MAXIMUM) {
        malformed(call, "bad number of arguments");
    } else if (number <= 0) {
        redis_token_reset(direction); /* Redis passes over it */
    } else {
        redis_request_begin(call);
        begin_aggregate(call, (uint64_t)number, false);
    }
}

static void take_number(struct redis_call *call, struct slice line)
{
    struct redis_direction *direction = call->direction;
    uint8_t type = direction->type;
    int64_t number = 0;
    bool is_open = false;
    if (type == '_' || type == '#') {
        take_top(direction, 0);
        end_element(call);
        return;
    }
    if (type == '.') {
        if (!direction->depth || direction->levels[direction->depth - 1].left != UINT64_MAX) {
            malformed(call, "end of nothing");
            return;
        }
        direction->levels[direction->depth - 1].left = 1;
        end_element(call);
        return;
    }
    if (!read_number(line, &number, &is_open) || (is_open && type == ':')) {
        malformed(call, "bad number");
        return;
    }
    if (type == ':') {
        take_top(direction, 0);
        if (direction->depth == 1 && direction->index == 2 && !call->is_request)
            redis_reply_text(call, ':', line);
        end_element(call);
    } else if (call->is_request && direction->depth == 0) {
        take_request(call, number, is_open);
    } else if (type == '$' || type == '!' || type == '=' || type == ';') {
        take_bulk(call, number, is_open);
    } else {
        take_aggregate(call, number, is_open);
    }
}

static size_t step_number(struct redis_call *call, struct slice bytes)
{
    struct redis_direction *direction = call->direction;
    size_t end = slice_find(slice_part(bytes, 0, REDIS_NUMBER_MAXIMUM), '\n');
    bool is_found = end < bytes.length && end < REDIS_NUMBER_MAXIMUM;
    struct slice line = slice_part(bytes, 0, end);
    size_t used = end + is_found;
    if (direction->number_length || !is_found) {
        if (direction->number_length + line.length > REDIS_NUMBER_MAXIMUM) {
            malformed(call, "long number");
            return used;
        }
        memcpy(direction->number + direction->number_length, line.data, line.length);
        direction->number_length += (uint8_t)line.length;
        line = slice_of(direction->number, direction->number_length);
    }
    direction->size += used;
    if (!is_found)
        return used;
    direction->number_length = 0;
    if (!line.length || line.data[line.length - 1] != '\r') {
        malformed(call, "line without CR");
        return used;
    }
    call->position += used;
    take_number(call, slice_part(line, 0, line.length - 1));
    call->position -= used;
    return used;
}

static size_t step_text(struct redis_call *call, struct slice bytes)
{
    struct redis_direction *direction = call->direction;
    size_t end = slice_find(bytes, '\n');
    bool is_found = end < bytes.length;
    struct slice line = slice_part(bytes, 0, end);
    direction->size += end + is_found;
    if (!is_found || direction->text_size) {
        keep(call, line);
        line = buffer_slice(&direction->kept);
    } else {
        direction->text_size = line.length;
    }
    if (!is_found)
        return end;
    uint64_t size = direction->text_size;
    if (line.length == size && size && line.data[line.length - 1] == '\r') {
        line.length--;
        size--;
    }
    take_top(direction, 0);
    deliver(call, line, size);
    if (direction->is_inline)
        end_message(call);
    else
        end_element(call);
    return end + 1;
}

static size_t step_bulk(struct redis_call *call, struct slice bytes)
{
    struct redis_direction *direction = call->direction;
    size_t used = bytes.length < direction->remaining ? bytes.length : (size_t)direction->remaining;
    struct slice text = slice_part(bytes, 0, used);
    direction->size += used;
    direction->remaining -= used;
    if (direction->remaining == 0 && direction->text_size == 0) {
        direction->text_size = used;
    } else {
        keep(call, text);
        text = buffer_slice(&direction->kept);
    }
    if (direction->remaining == 0) {
        deliver(call, text, direction->text_size);
        direction->phase = REDIS_BULK_END;
        direction->number_length = 0;
    }
    return used;
}

void redis_token_ask_skip(struct redis_call *call)
{
    struct redis_direction *direction = call->direction;
    size_t limit;
    if (direction->phase != REDIS_BULK || direction->remaining == 0 ||
        (is_wanted(call, &limit) && direction->kept.length <= limit))
        return;
    direction->has_skip = true;
    call->skip = direction->remaining;
    direction->skip_end = call->position + direction->remaining;
}

void redis_token_skipped(struct redis_direction *direction, uint64_t count)
{
    direction->has_skip = false;
    direction->size += count;
    direction->text_size += count;
    direction->remaining -= count;
}

static size_t step_bulk_end(struct redis_call *call, struct slice bytes)
{
    struct redis_direction *direction = call->direction;
    if (bytes.data[0] != (direction->number_length ? '\n' : '\r')) {
        malformed(call, "bad length");
        return 0;
    }
    direction->size++;
    if (direction->number_length++ == 0)
        return 1;
    direction->number_length = 0;
    if (direction->type == ';')
        direction->phase = REDIS_START;
    else
        end_element(call);
    return 1;
}

static void begin_message(struct redis_call *call)
{
    struct redis_direction *direction = call->direction;
    direction->is_begun = true;
    direction->time_ns = call->emitter->time_ns;
    direction->position = call->position;
    if (!call->is_request)
        redis_reply_begin(call);
}

static size_t step_start(struct redis_call *call, struct slice bytes)
{
    struct redis_direction *direction = call->direction;
    uint8_t byte = bytes.data[0];
    if (!direction->is_begun && (byte == '\r' || byte == '\n'))
        return 1;
    bool is_nested = direction->depth || direction->is_chunked;
    if (!direction->is_begun)
        begin_message(call);
    direction->type = byte;
    direction->text_size = 0;
    direction->kept.length = 0;
    if (call->is_request && !is_nested && byte != '*' && byte >= ' ' && byte < 0x7f) {
        direction->is_inline = true;
        direction->phase = REDIS_TEXT;
        return 0;
    }
    bool is_known = call->is_request ? byte == (is_nested ? '$' : '*')
                                     : byte && strchr("*$+-:_#,(!=%~>|", byte);
    if (direction->is_chunked)
        is_known = byte == ';';
    if (!is_known && !(byte == '.' && direction->depth && !call->is_request)) {
        malformed(call, "bad type");
        return 0;
    }
    direction->size++;
    bool is_text = byte == '+' || byte == '-' || byte == ',' || byte == '(';
    direction->phase = is_text ? REDIS_TEXT : REDIS_NUMBER;
    return 1;
}

size_t redis_token_step(struct redis_call *call, struct slice bytes)
{
    switch (call->direction->phase) {
    case REDIS_START:
        return step_start(call, bytes);
    case REDIS_NUMBER:
        return step_number(call, bytes);
    case REDIS_TEXT:
        return step_text(call, bytes);
    case REDIS_BULK:
        return step_bulk(call, bytes);
    case REDIS_BULK_END:
        return step_bulk_end(call, bytes);
    default:
        return bytes.length;
    }
}
