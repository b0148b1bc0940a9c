/*
 * packet_expression: and and or have the same rank and group to the left, not binds more tightly;
 * all of it is said with parentheses. A conversation has packets both ways, so of exchanges either
 * end may be meant by src and dst.
 */
#include "config/packet_expression.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "config/units.h"

enum { WORD_BYTES = 64, DEPTH_MAXIMUM = 16 };

struct translation {
    const char *text, *at;
    char *out;
    size_t size, used;
    char word[WORD_BYTES]; /* the next one; empty: the end */
    size_t word_start;
    char *message;
};

static int refuse(struct translation *translation, const char *why)
{
    snprintf(translation->message, OPTION_MESSAGE_BYTES, "column %zu: '%.60s' %s",
             translation->word_start + 1, translation->word, why);
    return -EINVAL;
}

static void put(struct translation *translation, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void put(struct translation *translation, const char *format, ...)
{
    size_t left = translation->size - translation->used;
    va_list list;
    int length;

    va_start(list, format);
    length = vsnprintf(translation->out + translation->used, left, format, list);
    va_end(list);
    translation->used += (size_t)length < left ? (size_t)length : left;
}

static void step(struct translation *translation)
{
    const char *at = translation->at + strspn(translation->at, " \t\n");
    size_t length = strcspn(at, " \t\n()!");

    if (length == 0)
        length = *at != 0;
    translation->word_start = (size_t)(at - translation->text);
    snprintf(translation->word, WORD_BYTES, "%.*s", (int)length, at);
    translation->at = at + length;
}

static bool is_word(const struct translation *translation, const char *a, const char *b)
{
    return strcmp(translation->word, a) == 0 || (b && strcmp(translation->word, b) == 0);
}

/* The fields of either end, of records of packets by direction. */
static void put_ends(struct translation *translation, const char *what, const char *side,
                     const char *operator, const char * value)
{
    const char *quote = strcmp(what, "address") == 0 ? "\"" : "";

    put(translation, "(client.%s %s %s%s%s or server.%s %s %s%s%s", what, operator, quote, value,
        quote, what, operator, quote, value, quote);
    if (strcmp(side, "dst") != 0)
        put(translation, " or source.%s %s %s%s%s", what, operator, quote, value, quote);
    if (strcmp(side, "src") != 0)
        put(translation, " or destination.%s %s %s%s%s", what, operator, quote, value, quote);
    put(translation, ")");
}

static int put_port(struct translation *translation, const char *side)
{
    uint64_t port;

    if (units_parse_number(translation->word, &port) < 0 || port > 65535)
        return refuse(translation, "is no port number");
    put_ends(translation, "port", side, "==", translation->word);
    step(translation);
    return 0;
}

static int put_address(struct translation *translation, const char *side)
{
    struct cidr network;

    if (cidr_parse(slice_of_string(translation->word), &network) < 0)
        return refuse(translation, "is no address or network");
    put_ends(translation, "address", side, "==", translation->word);
    step(translation);
    return 0;
}

/* [tcp|udp] [src|dst] port NUMBER | host ADDRESS | net NETWORK, or the protocol alone. */
static int primary(struct translation *translation)
{
    static const char *const families[][2] = {{"ip", "ipv4"}, {"ip6", "ipv6"}};
    static const char *const transports[] = {"tcp", "udp", "icmp", "sctp"};
    char side[4] = "";
    bool has_protocol = false;

    for (size_t i = 0; i < sizeof(transports) / sizeof(*transports) && !has_protocol; i++) {
        has_protocol = is_word(translation, transports[i], NULL);
        if (has_protocol)
            put(translation, "network.transport == \"%s\"", transports[i]);
    }
    for (size_t i = 0; i < 2 && !has_protocol; i++) {
        has_protocol = is_word(translation, families[i][0], NULL);
        if (has_protocol)
            put(translation, "network.type == \"%s\"", families[i][1]);
    }
    if (has_protocol)
        step(translation);
    if (has_protocol && !is_word(translation, "src", "dst") &&
        !is_word(translation, "port", "host") && !is_word(translation, "net", NULL))
        return 0;
    if (has_protocol)
        put(translation, " and ");
    if (is_word(translation, "src", "dst")) {
        snprintf(side, sizeof(side), "%.3s", translation->word);
        step(translation);
    }
    if (is_word(translation, "port", NULL)) {
        step(translation);
        return put_port(translation, side);
    }
    if (is_word(translation, "host", "net")) {
        step(translation);
        return put_address(translation, side);
    }
    return refuse(translation, "is not understood; allowed are tcp, udp, icmp, ip, ip6, port, "
                               "host, net, src, dst, and, or, not and parentheses");
}

static int expression(struct translation *translation, unsigned depth);

static int term(struct translation *translation, unsigned depth)
{
    int result;

    if (depth > DEPTH_MAXIMUM)
        return refuse(translation, "is nested too deeply");
    if (is_word(translation, "not", "!")) {
        step(translation);
        put(translation, "not ");
        return term(translation, depth + 1);
    }
    put(translation, "(");
    if (is_word(translation, "(", NULL)) {
        step(translation);
        result = expression(translation, depth + 1);
        if (result == 0 && !is_word(translation, ")", NULL))
            return refuse(translation, "stands where ) is missing");
        step(translation);
    } else {
        result = primary(translation);
    }
    put(translation, ")");
    return result;
}

/* What stands to the left gets its parenthesis when the next word is known. */
static int expression(struct translation *translation, unsigned depth)
{
    size_t start = translation->used;
    int result = term(translation, depth);

    while (result == 0 && (is_word(translation, "and", "&&") || is_word(translation, "or", "||"))) {
        const char *word = is_word(translation, "and", "&&") ? " and " : " or ";

        if (translation->used + 2 >= translation->size)
            return refuse(translation, "is more than there is room for");
        memmove(translation->out + start + 1, translation->out + start,
                translation->used - start + 1);
        translation->out[start] = '(';
        translation->used++;
        put(translation, "%s", word);
        step(translation);
        result = term(translation, depth);
        put(translation, ")");
    }
    return result;
}

int packet_expression_translate(const char *text, char *ret_expression, size_t size,
                                char message[OPTION_MESSAGE_BYTES])
{
    struct translation translation = {
        .text = text, .at = text, .out = ret_expression, .size = size, .message = message};
    int result;

    *ret_expression = 0;
    step(&translation);
    result = expression(&translation, 0);
    if (result == 0 && translation.word[0])
        return refuse(&translation, "stands where and, or or the end is expected");
    if (result == 0 && translation.used + 1 >= size)
        return refuse(&translation, "is more than there is room for");
    return result;
}
