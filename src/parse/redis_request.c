/*
 * redis_request: a command's arguments become the text of its record, quoted as redis-cli would
 * understand them, so that the text can be split again without doubt. The few commands that change
 * what follows (SUBSCRIBE, AUTH, CLIENT REPLY …) are told apart.
 */
#include "base/allocate.h"
#include "parse/redis.h"

static struct call *current(struct redis_call *call)
{
    return call->direction->is_open ? calls_tail(&call->state->calls) : NULL;
}

void redis_request_begin(struct redis_call *call)
{
    struct redis_state *state = call->state;
    struct redis_direction *direction = call->direction;
    state->text.maximum = call->emitter->head_maximum;
    state->text.length = 0;
    state->name_length = 0;
    for (size_t i = 0; i < REDIS_WORDS; i++)
        state->words[i].length = 0;
    direction->is_open =
        calls_open(&state->calls, call->emitter, direction->time_ns, direction->position);
}

/* Bytes of the UTF-8 sequence at the start of `text` (RFC 3629); 0: none, or a control. */
static size_t utf8_length(struct slice text)
{
    uint8_t first = text.data[0];
    size_t length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (!length || length > text.length || (first == 0xc2 && text.data[1] < 0xa0))
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((text.data[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((first == 0xe0 && text.data[1] < 0xa0) || (first == 0xed && text.data[1] > 0x9f) ||
        (first == 0xf0 && text.data[1] < 0x90) || (first == 0xf4 && text.data[1] > 0x8f))
        return 0;
    return length;
}

enum { PLAIN, DOUBLE, SINGLE, ESCAPED };

/* Which quotes keep an argument in one piece, and as it is as far as possible. */
static int quoting_of(struct slice argument)
{
    bool has_blank = argument.length == 0, has_double = false, has_single = false;
    for (size_t i = 0; i < argument.length; i++) {
        uint8_t byte = argument.data[i];
        if (byte >= 0x80) {
            size_t length = utf8_length(slice_part(argument, i, SIZE_MAX));
            if (!length)
                return ESCAPED;
            i += length - 1;
        } else if (byte < ' ' || byte == 0x7f) {
            return ESCAPED;
        } else {
            has_blank |= byte == ' ';
            has_double |= byte == '"';
            has_single |= byte == '\'';
        }
    }
    bool has_backslash = argument.length && memchr(argument.data, '\\', argument.length);
    if (!has_blank && !has_double && !has_single)
        return PLAIN;
    if (!has_double && !has_backslash)
        return DOUBLE;
    if (!has_single && argument.data[argument.length - 1] != '\\')
        return SINGLE;
    return ESCAPED;
}

static size_t escape_byte(uint8_t byte, uint8_t *out)
{
    static const char digits[] = "0123456789abcdef", plain[] = "\n\r\t\a\b\"\\",
                      letters[] = "nrtab\"\\";
    const char *at = byte ? strchr(plain, byte) : NULL;
    out[0] = '\\';
    if (at) {
        out[1] = (uint8_t)letters[at - plain];
        return 2;
    }
    out[1] = 'x';
    out[2] = (uint8_t)digits[byte >> 4];
    out[3] = (uint8_t)digits[byte & 15];
    return 4;
}

static size_t write_escaped(struct slice argument, uint8_t *out)
{
    size_t length = 0;
    for (size_t i = 0; i < argument.length; i++) {
        uint8_t byte = argument.data[i];
        size_t sequence = byte >= 0x80 ? utf8_length(slice_part(argument, i, SIZE_MAX)) : 0;
        if (sequence) {
            memcpy(out + length, argument.data + i, sequence);
            length += sequence;
            i += sequence - 1;
        } else if (byte < ' ' || byte >= 0x7f || byte == '"' || byte == '\\') {
            length += escape_byte(byte, out + length);
        } else {
            out[length++] = byte;
        }
    }
    return length;
}

/* Appends to the text; false: it has no room. */
static bool append(struct redis_call *call, struct slice argument, int quoting)
{
    struct buffer *text = &call->state->text;
    size_t most = argument.length * (quoting == ESCAPED ? 4 : 1) + 3;
    if (text->length + most > text->maximum)
        return false;
    if (buffer_reserve(text, most) < 0) {
        call->direction->is_starved = true;
        return false;
    }
    uint8_t *out = text->data + text->length;
    uint8_t quote = quoting == SINGLE ? '\'' : '"';
    if (text->length)
        *out++ = ' ';
    if (quoting != PLAIN)
        *out++ = quote;
    if (quoting == ESCAPED)
        out += write_escaped(argument, out);
    else if (argument.length)
        out = (uint8_t *)memcpy(out, argument.data, argument.length) + argument.length;
    if (quoting != PLAIN)
        *out++ = quote;
    text->length = (size_t)(out - text->data);
    return true;
}

void redis_request_argument(struct redis_call *call, struct slice kept, bool is_cut)
{
    struct redis_direction *direction = call->direction;
    struct redis_state *state = call->state;
    direction->is_truncated |= is_cut;
    if (direction->index < REDIS_WORDS)
        redis_word_set(&state->words[direction->index], kept);
    if (direction->is_truncated && !is_cut)
        return; /* no argument behind one that had no room */
    int quoting = quoting_of(kept);
    if (!append(call, kept, quoting))
        direction->is_truncated = true;
    else if (direction->index == 0 && quoting == PLAIN)
        state->name_length = state->text.length;
}

/* Splits an inline command as Redis does; words with escapes are only kept as they are. */
static uint32_t split(struct redis_state *state, struct slice line)
{
    uint32_t count = 0;
    size_t at = 0;
    while (at < line.length) {
        while (at < line.length && (line.data[at] == ' ' || line.data[at] == '\t'))
            at++;
        size_t start = at;
        uint8_t quote = 0;
        for (; at < line.length; at++) {
            uint8_t byte = line.data[at];
            if (quote && byte == '\\' && at + 1 < line.length)
                at++;
            else if (quote ? byte == quote : byte == '"' || byte == '\'')
                quote = quote ? 0 : byte;
            else if (!quote && (byte == ' ' || byte == '\t'))
                break;
        }
        struct slice word = slice_part(line, start, at - start);
        if (word.length >= 2 && (word.data[0] == '"' || word.data[0] == '\''))
            word = slice_part(word, 1, word.length - 2);
        if (at > start && count < REDIS_WORDS)
            redis_word_set(&state->words[count], word);
        count += at > start;
    }
    return count;
}

void redis_request_line(struct redis_call *call, struct slice line, bool is_cut)
{
    struct redis_direction *direction = call->direction;
    struct redis_state *state = call->state;
    line = slice_trim_ows(line);
    if (line.length == 0)
        return;
    redis_request_begin(call);
    direction->is_truncated |= is_cut;
    direction->index = split(state, line);
    if (line.length > state->text.maximum)
        line.length = state->text.maximum;
    if (buffer_append(&state->text, line) < 0)
        direction->is_starved = true;
    struct slice name = redis_word_slice(&state->words[0]);
    if (name.length && memcmp(name.data, line.data, name.length) == 0)
        state->name_length = name.length;
}

static bool is_word(const struct redis_word *word, const char *text)
{
    return slice_is_equal_ignoring_case(redis_word_slice(word), slice_of_string(text));
}

/* AUTH [user] password; HELLO version [AUTH user password] [SETNAME name]; CLIENT SETNAME name */
static void expect_change(struct redis_state *state, const struct redis_word *user,
                          const struct redis_word *name)
{
    static const struct redis_word none;
    state->pending++;
    state->pending_user = user ? *user : none;
    state->pending_name = name ? *name : none;
}

static enum redis_kind kind_of_hello(struct redis_state *state, uint32_t count)
{
    const struct redis_word *user = NULL, *name = NULL;
    for (uint32_t i = 2; i + 1 < count && i + 1 < REDIS_WORDS; i++) {
        if (is_word(&state->words[i], "AUTH")) {
            user = &state->words[i + 1];
            i += 2;
        } else if (is_word(&state->words[i], "SETNAME")) {
            name = &state->words[++i];
        }
    }
    expect_change(state, user, name);
    return REDIS_KIND_HELLO;
}

static enum redis_kind kind_of_auth(struct redis_state *state, uint32_t count)
{
    struct redis_word user;
    redis_word_set(&user, SLICE_LITERAL("default"));
    expect_change(state, count > 2 ? &state->words[1] : &user, NULL);
    return REDIS_KIND_AUTH;
}

/* CLIENT REPLY decides which commands are answered, itself included. */
static enum redis_kind kind_of_client(struct redis_state *state, uint32_t count)
{
    if (is_word(&state->words[1], "SETNAME") && count == 3) {
        expect_change(state, NULL, &state->words[2]);
        return REDIS_KIND_CLIENT_NAME;
    }
    if (!is_word(&state->words[1], "REPLY") || count != 3)
        return REDIS_KIND_PLAIN;
    if (is_word(&state->words[2], "ON")) {
        state->is_reply_off = state->is_reply_skipped = false;
        return REDIS_KIND_REPLY_ON;
    }
    if (is_word(&state->words[2], "OFF"))
        state->is_reply_off = true;
    else if (is_word(&state->words[2], "SKIP"))
        state->is_reply_skipped = !state->is_reply_off;
    else
        return REDIS_KIND_PLAIN;
    return REDIS_KIND_SILENT;
}

static enum redis_kind kind_of(struct redis_state *state, uint32_t count)
{
    static const struct {
        const char *name;
        enum redis_kind kind;
    } kinds[] = {
        {"SUBSCRIBE", REDIS_KIND_SUBSCRIBE},
        {"PSUBSCRIBE", REDIS_KIND_SUBSCRIBE},
        {"SSUBSCRIBE", REDIS_KIND_SUBSCRIBE},
        {"UNSUBSCRIBE", REDIS_KIND_UNSUBSCRIBE},
        {"PUNSUBSCRIBE", REDIS_KIND_UNSUBSCRIBE},
        {"SUNSUBSCRIBE", REDIS_KIND_UNSUBSCRIBE},
        {"SELECT", REDIS_KIND_SELECT},
        {"RESET", REDIS_KIND_RESET},
        {"MONITOR", REDIS_KIND_MONITOR},
        {"SYNC", REDIS_KIND_REPLICATE},
        {"PSYNC", REDIS_KIND_REPLICATE},
    };
    const struct redis_word *name = &state->words[0];
    if (is_word(name, "CLIENT"))
        return kind_of_client(state, count);
    if (is_word(name, "HELLO"))
        return kind_of_hello(state, count);
    if (is_word(name, "AUTH"))
        return kind_of_auth(state, count);
    if (name->length == 0 || !strchr("SPURMspurm", name->text[0]))
        return REDIS_KIND_PLAIN;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (is_word(name, kinds[i].name))
            return kinds[i].kind;
    }
    return REDIS_KIND_PLAIN;
}

/* The record gets what the command says. */
static void fill(struct redis_call *call, struct call *open)
{
    struct redis_state *state = call->state;
    struct record *record = open->record;
    struct slice text = buffer_slice(&state->text);
    if (!record)
        return;
    if (call->direction->is_starved) {
        calls_lose(open, call->emitter, "memory");
        return;
    }
    if (text.length) {
        text = arena_copy(record->arena, text);
        if (!text.data) {
            calls_lose(open, call->emitter, "memory");
            return;
        }
        record_add_text(record, FIELD_DB_QUERY_TEXT, text);
        if (state->name_length)
            record_add_text(record, FIELD_DB_OPERATION_NAME,
                            slice_part(text, 0, state->name_length));
    }
    record_add_text(record, FIELD_DB_SYSTEM_NAME, SLICE_LITERAL("redis"));
    if (call->direction->is_truncated)
        record_set_flag(record, RECORD_FLAG_TRUNCATED);
    if (call->direction->has_gap)
        record_set_flag(record, RECORD_FLAG_GAP);
}

/* A call that waits for no reply, or whose reply could not be told from others. */
static void finish_alone(struct redis_call *call, struct call *open, bool is_unpaired)
{
    struct calls *calls = &call->state->calls;
    if (is_unpaired)
        calls_flag(open, RECORD_FLAG_UNPAIRED);
    if (is_unpaired && calls->has_gap)
        calls_flag(open, RECORD_FLAG_GAP);
    calls_finish(calls, open, call->emitter);
    calls_unpush(calls);
}

void redis_request_end(struct redis_call *call)
{
    struct redis_state *state = call->state;
    struct redis_direction *direction = call->direction;
    struct call *open = current(call);
    bool is_begun = direction->is_open || direction->index;
    if (!is_begun)
        return;
    bool was_skipped = state->is_reply_skipped;
    enum redis_kind kind = kind_of(state, direction->index);
    bool is_silent = kind == REDIS_KIND_SILENT || state->is_reply_off;
    if (was_skipped && kind != REDIS_KIND_SILENT) {
        is_silent |= kind != REDIS_KIND_REPLY_ON;
        state->is_reply_skipped = false;
    }
    if (!open) {
        if (is_silent)
            state->calls.overflow -= state->calls.overflow > 0;
        return;
    }
    open->kind = (uint16_t)kind;
    open->number = direction->index ? direction->index - 1 : 0;
    open->request_size = direction->size;
    if (kind == REDIS_KIND_SELECT) {
        struct slice number = redis_word_slice(&state->words[1]);
        for (size_t i = 0; i < number.length && i < 9; i++)
            open->tag = open->tag * 10 + (uint8_t)(number.data[i] - '0');
    }
    fill(call, open);
    if (is_silent || state->calls.is_uncertain)
        finish_alone(call, open, !is_silent);
}

void redis_request_cut(struct redis_call *call, enum record_flag flag)
{
    struct redis_direction *direction = call->direction;
    if (!direction->is_begun)
        return;
    if (direction->is_inline)
        redis_request_line(call, buffer_slice(&direction->kept), false);
    else if (!direction->is_open && !direction->depth)
        redis_request_begin(call);
    struct call *open = current(call);
    if (!open)
        return;
    open->request_size = direction->size;
    fill(call, open);
    calls_flag(open, flag);
    calls_flag(open, RECORD_FLAG_UNPAIRED);
    if (flag == RECORD_FLAG_MALFORMED)
        return; /* Redis answers that */
    calls_finish(&call->state->calls, open, call->emitter);
    calls_unpush(&call->state->calls);
}

void redis_request_malformed(struct redis_call *call, const char *reason)
{
    struct redis_direction *direction = call->direction;
    bool is_open = direction->is_open;
    if (!is_open && !direction->depth)
        redis_request_begin(call);
    struct call *open = current(call);
    if (open) {
        open->request_size = direction->size;
        fill(call, open);
        calls_malformed(open->record, reason);
        if (call->state->calls.is_uncertain)
            finish_alone(call, open, true);
    }
    redis_token_reset(direction);
    direction->phase = REDIS_LOST;
    direction->was_gap = false;
}
