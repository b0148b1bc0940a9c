/*
 * mask_sql: SQL as MySQL ("Lexical structure", literals and comments of the reference manual) and
 * PostgreSQL (documentation 4.1) split it. String, number, bit and hexadecimal literals become `?`,
 * a list of them behind IN becomes one; comments are left out; words and quoted names stay.
 *
 * Whether a backslash escapes a quote depends on settings of the server. The usual one is assumed;
 * where that leads to a text that ends inside a string, everything from there on is hidden.
 */
#include "refine/mask_query.h"

struct lexer {
    struct slice text;
    size_t at;
    uint8_t *out;
    size_t length; /* written */
    size_t doubt;  /* `length` before the first string that may end elsewhere */
    size_t word;   /* `length` before the last word, if nothing follows it; else SIZE_MAX */
    bool is_mysql;
    bool is_in_version; /* inside a comment that MySQL carries out */
    bool was_in;        /* the last word was IN */
    bool is_in_list;    /* behind it, in parentheses */
    bool was_comment;   /* a space stands for it */
    bool was_password;  /* the last word was PASSWORD */
};

static uint8_t peek(const struct lexer *lexer, size_t offset)
{
    size_t at = lexer->at + offset;
    return at < lexer->text.length ? lexer->text.data[at] : 0;
}

static bool is_digit(uint8_t byte)
{
    return (uint8_t)(byte - '0') <= 9;
}

static bool is_word_start(uint8_t byte)
{
    return (uint8_t)((byte | 0x20) - 'a') < 26 || byte == '_' || byte >= 0x80;
}

static bool is_word(uint8_t byte)
{
    return is_word_start(byte) || is_digit(byte) || byte == '$';
}

static bool is_space(uint8_t byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static void copy(struct lexer *lexer, size_t count)
{
    memcpy(lexer->out + lexer->length, lexer->text.data + lexer->at, count);
    lexer->length += count;
    lexer->at += count;
}

/* Is what was written last a "?" and a comma, behind IN ( ? */
static void join_list(struct lexer *lexer)
{
    size_t end = lexer->length;
    while (end && is_space(lexer->out[end - 1]))
        end--;
    if (!end || lexer->out[end - 1] != ',')
        return;
    end--;
    while (end && is_space(lexer->out[end - 1]))
        end--;
    if (end && lexer->out[end - 1] == '?')
        lexer->length = end - 1;
}

static void put_hidden(struct lexer *lexer)
{
    if (lexer->is_in_list)
        join_list(lexer);
    lexer->out[lexer->length++] = '?';
    lexer->word = SIZE_MAX;
    lexer->was_in = lexer->was_password = false;
}

/* The text ended inside quotes: a string before may have ended elsewhere. */
static void return_to_doubt(struct lexer *lexer)
{
    if (lexer->length > lexer->doubt)
        lexer->length = lexer->doubt;
}

/* The last word when it stands right before the quote: x'1F', E'a\n', _utf8'a'. */
static struct slice prefix_of(const struct lexer *lexer)
{
    if (lexer->word == SIZE_MAX)
        return (struct slice){NULL, 0};
    return slice_of(lexer->out + lexer->word, lexer->length - lexer->word);
}

static void hide_string(struct lexer *lexer, uint8_t quote)
{
    struct slice prefix = prefix_of(lexer);
    bool is_short = prefix.length == 1;
    uint8_t letter = is_short ? prefix.data[0] | 0x20 : 0;
    bool has_escapes = lexer->is_mysql || letter == 'e';
    size_t start = lexer->length, at = lexer->at + 1;
    if (letter && strchr("enxb", letter))
        start = lexer->length = lexer->word;
    for (; at < lexer->text.length; at++) {
        uint8_t byte = lexer->text.data[at];
        uint8_t next = at + 1 < lexer->text.length ? lexer->text.data[at + 1] : 0;
        if (byte == '\\' && (next == quote || next == '\\') && lexer->doubt == SIZE_MAX &&
            letter != 'e')
            lexer->doubt = start;
        if (byte == '\\' && has_escapes)
            at++;
        else if (byte == quote && next == quote)
            at++;
        else if (byte == quote)
            break;
    }
    bool is_open = at >= lexer->text.length;
    lexer->at = is_open ? lexer->text.length : at + 1;
    if (is_open)
        return_to_doubt(lexer);
    put_hidden(lexer);
}

/* A quoted name; hidden when it has no end. */
static void copy_name(struct lexer *lexer, uint8_t quote)
{
    size_t at = lexer->at + 1;
    while (at < lexer->text.length) {
        bool is_quote = lexer->text.data[at] == quote;
        at++;
        if (is_quote && at < lexer->text.length && lexer->text.data[at] == quote)
            at++;
        else if (is_quote)
            break;
    }
    lexer->word = SIZE_MAX;
    lexer->was_in = lexer->was_password = false;
    if (at - lexer->at >= 2 && lexer->text.data[at - 1] == quote) {
        copy(lexer, at - lexer->at);
        return;
    }
    lexer->at = lexer->text.length;
    return_to_doubt(lexer);
    put_hidden(lexer);
}

/* $tag$ … $tag$; false: it is no such string. */
static bool hide_dollar(struct lexer *lexer)
{
    struct slice rest = slice_part(lexer->text, lexer->at, SIZE_MAX);
    size_t tag = 1;
    if (rest.length < 2 || is_digit(rest.data[1]))
        return false;
    while (tag < rest.length && rest.data[tag] != '$' && is_word(rest.data[tag]))
        tag++;
    if (tag == rest.length || rest.data[tag] != '$')
        return false;
    tag++;
    const uint8_t *end = memmem(rest.data + tag, rest.length - tag, rest.data, tag);
    lexer->at = end ? (size_t)(end - lexer->text.data) + tag : lexer->text.length;
    put_hidden(lexer);
    return true;
}

static void hide_number(struct lexer *lexer)
{
    size_t start = lexer->at, at = start;
    const uint8_t *data = lexer->text.data;
    bool is_hex = data[at] == '0' && (peek(lexer, 1) | 0x20) == 'x';
    for (; at < lexer->text.length; at++) {
        bool is_sign = (data[at] == '+' || data[at] == '-') && at > start && !is_hex &&
                       (data[at - 1] | 0x20) == 'e' && at + 1 < lexer->text.length &&
                       is_digit(data[at + 1]);
        if (!is_word(data[at]) && data[at] != '.' && !is_sign)
            break;
    }
    lexer->at = at;
    put_hidden(lexer);
}

/* MySQL: a name may begin with digits when it has other letters than a number. */
static bool is_name_with_digits(const struct lexer *lexer)
{
    size_t count = 0;
    while (is_digit(peek(lexer, count)))
        count++;
    uint8_t letter = peek(lexer, count) | 0x20;
    if (!lexer->is_mysql || !is_word_start(peek(lexer, count)))
        return false;
    if (letter == 'e')
        return is_word_start(peek(lexer, count + 1));
    return !(count == 1 && lexer->text.data[lexer->at] == '0' && (letter == 'x' || letter == 'b'));
}

static void copy_word(struct lexer *lexer)
{
    size_t count = 0;
    while (lexer->at + count < lexer->text.length && is_word(peek(lexer, count)))
        count++;
    struct slice word = slice_part(lexer->text, lexer->at, count);
    lexer->was_in = slice_is_equal_ignoring_case(word, SLICE_LITERAL("IN"));
    lexer->was_password = slice_is_equal_ignoring_case(word, SLICE_LITERAL("PASSWORD"));
    if (slice_is_equal_ignoring_case(word, SLICE_LITERAL("SELECT")))
        lexer->is_in_list = false;
    lexer->word = lexer->length;
    copy(lexer, count);
}

static void put_space(struct lexer *lexer)
{
    if (lexer->length && !is_space(lexer->out[lexer->length - 1]))
        lexer->out[lexer->length++] = ' ';
    lexer->word = SIZE_MAX;
    lexer->was_comment = true;
}

static void drop_line(struct lexer *lexer)
{
    while (lexer->at < lexer->text.length && peek(lexer, 0) != '\n')
        lexer->at++;
    put_space(lexer);
}

/* PostgreSQL nests them; MySQL carries out what is inside of some. */
static void drop_comment(struct lexer *lexer)
{
    size_t mark = peek(lexer, 2) == 'M' ? 3 : 2, depth = 1;
    if (lexer->is_mysql && peek(lexer, mark) == '!') {
        lexer->at += mark + 1;
        while (is_digit(peek(lexer, 0)))
            lexer->at++;
        lexer->is_in_version = true;
        put_space(lexer);
        return;
    }
    lexer->at += 2;
    while (depth && lexer->at < lexer->text.length) {
        bool is_end = peek(lexer, 0) == '*' && peek(lexer, 1) == '/';
        bool is_begin = peek(lexer, 0) == '/' && peek(lexer, 1) == '*' && !lexer->is_mysql;
        depth = depth + is_begin - is_end;
        lexer->at += is_end || is_begin ? 2 : 1;
    }
    put_space(lexer);
}

static bool take_comment(struct lexer *lexer)
{
    uint8_t first = peek(lexer, 0), second = peek(lexer, 1), third = peek(lexer, 2);
    bool is_line = first == '-' && second == '-' &&
                   (!lexer->is_mysql || is_space(third) || lexer->at + 2 == lexer->text.length);
    if (is_line || (first == '#' && lexer->is_mysql)) {
        drop_line(lexer);
        return true;
    }
    if (first == '/' && second == '*') {
        drop_comment(lexer);
        return true;
    }
    if (first == '*' && second == '/' && lexer->is_in_version) {
        lexer->is_in_version = false;
        lexer->at += 2;
        put_space(lexer);
        return true;
    }
    return false;
}

static void copy_mark(struct lexer *lexer)
{
    uint8_t byte = peek(lexer, 0);
    if (is_space(byte)) {
        if (byte == ' ' && lexer->was_comment)
            lexer->at++;
        else
            copy(lexer, 1);
        lexer->word = SIZE_MAX;
        return;
    }
    if (byte == '(')
        lexer->is_in_list = lexer->was_in;
    else if (byte == ')')
        lexer->is_in_list = false;
    lexer->was_in = lexer->was_password = false;
    lexer->word = SIZE_MAX;
    copy(lexer, 1);
}

static void step(struct lexer *lexer)
{
    uint8_t byte = peek(lexer, 0);
    bool is_fraction = byte == '.' && is_digit(peek(lexer, 1)) &&
                       !(lexer->at && (is_word(lexer->text.data[lexer->at - 1]) ||
                                       strchr("`\")]", lexer->text.data[lexer->at - 1])));
    if (byte == '\'') {
        hide_string(lexer, byte);
    } else if (byte == '"' && (lexer->is_mysql || lexer->was_password)) {
        hide_string(lexer, byte);
    } else if (byte == '"' || (byte == '`' && lexer->is_mysql)) {
        copy_name(lexer, byte);
    } else if (byte == '$' && is_digit(peek(lexer, 1))) {
        size_t count = 1;
        while (is_digit(peek(lexer, count)))
            count++;
        copy(lexer, count);
        lexer->word = SIZE_MAX;
    } else if (byte == '$' && !lexer->is_mysql && hide_dollar(lexer)) {
        return;
    } else if ((is_digit(byte) && !is_name_with_digits(lexer)) || is_fraction) {
        hide_number(lexer);
    } else if (is_word(byte) && byte != '$') {
        copy_word(lexer);
    } else if (!take_comment(lexer)) {
        copy_mark(lexer);
    }
}

size_t mask_sql(struct slice text, bool is_mysql, uint8_t *out)
{
    struct lexer lexer = {
        .text = text, .out = out, .doubt = SIZE_MAX, .word = SIZE_MAX, .is_mysql = is_mysql};
    while (lexer.at < text.length) {
        bool was_comment = lexer.was_comment;
        step(&lexer);
        lexer.was_comment &= !was_comment || is_space(text.data[lexer.at - 1]);
    }
    while (lexer.length && is_space(out[lexer.length - 1]))
        lexer.length--;
    return lexer.length;
}
