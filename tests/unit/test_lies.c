/*
 * lies: what no well-meaning peer sends, for every parser of parsers.def: lengths and counts that
 * lie (0, -1, 2^31, 2^63, in binary and in digits) at every place, messages in the wrong direction,
 * floods, deep nesting, and little that stands for much. Nothing crashes, everything is counted,
 * and memory stays bounded.
 * TIMEOUT: 300
 * LINK_OPTIONS: -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include "tests/lib/feeder.h"

enum {
    STEP_MAXIMUM = 1 << 16,
    FLOOD = 1 << 19,
    PIECE = 1448,
    MEMORY_MAXIMUM = 12 << 20, /* of one connection, whatever it is sent */
};

/* --- memory in use ------------------------------------------------------------------------ */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void __wrap_free(void *block);

static size_t in_use, most_in_use;

static void *count(void *block)
{
    in_use += block ? malloc_usable_size(block) : 0;
    most_in_use = in_use > most_in_use ? in_use : most_in_use;
    return block;
}

static void uncount(void *block)
{
    in_use -= block ? malloc_usable_size(block) : 0;
}

void *__wrap_malloc(size_t size)
{
    return count(__real_malloc(size));
}

void *__wrap_calloc(size_t number, size_t size)
{
    return count(__real_calloc(number, size));
}

void *__wrap_realloc(void *block, size_t size)
{
    uncount(block);
    void *moved = __real_realloc(block, size);
    count(moved || !size ? moved : block);
    return moved;
}

void __wrap_free(void *block)
{
    uncount(block);
    __real_free(block);
}

/* --- playing ------------------------------------------------------------------------------ */

struct play {
    struct streams *streams;
    struct stream_listener listener;
    uint64_t positions[2], time_ns, records;
};

static void take_record(void *context, struct record *record)
{
    ((struct play *)context)->records++;
    record_unref(&record);
}

static void begin(struct play *play, bool is_datagram)
{
    struct streams_options options = {.on_record = take_record, .context = play};
    struct stream_open open = {.connection = 1, .is_initiator = true, .is_datagram = is_datagram};

    *play = (struct play){.time_ns = 1};
    assert_int_equal(streams_new(&options, &play->streams), 0);
    play->listener = streams_listener(play->streams);
    play->listener.on_open(play->listener.context, &open);
}

static void send_bytes(struct play *play, enum direction direction, struct slice bytes)
{
    struct stream_data data = {.connection = 1,
                               .direction = direction,
                               .time_ns = play->time_ns += 1000,
                               .position = play->positions[direction],
                               .end_position = play->positions[direction] + bytes.length,
                               .bytes = bytes};

    play->positions[direction] += bytes.length;
    play->listener.on_data(play->listener.context, &data);
}

static void end(struct play *play)
{
    play->listener.on_close(play->listener.context, 1, play->time_ns, false);
    const struct streams_counters *counters = streams_counters(play->streams);
    assert_true(counters->seen == play->records + counters->lost);
    streams_free(&play->streams);
}

static enum direction way_of(const struct feeder_step *step)
{
    return step->way == '<' || step->way == '{' ? DIRECTION_B_TO_A : DIRECTION_A_TO_B;
}

/*
 * The conversation with `bytes` in the place of step number `changed`; the steps that `swapped`
 * says (SIZE_MAX: all) go the other way.
 */
static void play_changed(const struct feeder_step *steps, size_t changed, struct slice bytes,
                         size_t swapped)
{
    struct play play;

    begin(&play, steps->way == 'D');
    for (size_t i = steps->way == 'D'; steps[i].way; i++) {
        struct slice own = slice_of(steps[i].text, feeder_step_length(&steps[i]));
        bool is_swapped = i == swapped || swapped == SIZE_MAX;

        if (steps[i].way != '>' && steps[i].way != '<')
            continue;
        send_bytes(&play, (enum direction)(way_of(&steps[i]) ^ is_swapped),
                   i == changed ? bytes : own);
    }
    end(&play);
}

/* --- lies --------------------------------------------------------------------------------- */

/* Other numbers in the place of `width` bytes. */
static void lie_in_binary(const struct feeder_step *steps, size_t index, size_t at, size_t width)
{
    static uint8_t copy[STEP_MAXIMUM];
    size_t length = feeder_step_length(&steps[index]);

    for (unsigned kind = 0; kind < 4; kind++) {
        memcpy(copy, steps[index].text, length);
        memset(copy + at, kind == 1 ? 0xff : 0, width);
        if (kind >= 2) /* the highest bit alone, in either order of bytes */
            copy[kind == 2 ? at : at + width - 1] = 0x80;
        play_changed(steps, index, slice_of(copy, length), SIZE_MAX - 1);
    }
}

static void lie_in_digits(const struct feeder_step *steps, size_t index, size_t at, size_t width)
{
    static const char *const numbers[] = {
        "0", "-1", "2147483648", "4294967295", "9223372036854775808", "18446744073709551615", ""};
    static uint8_t copy[STEP_MAXIMUM];
    const char *text = steps[index].text;
    size_t length = feeder_step_length(&steps[index]);

    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        size_t digits = strlen(numbers[i]);

        memcpy(copy, text, at);
        memcpy(copy + at, numbers[i], digits);
        memcpy(copy + at + digits, text + at + width, length - at - width);
        play_changed(steps, index, slice_of(copy, length - width + digits), SIZE_MAX - 1);
    }
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static void lengths_may_lie(void **state)
{
    static const size_t widths[] = {1, 2, 4, 8};

    (void)state;
    for (const struct conversation *one = conversations; one->name; one++) {
        for (size_t i = one->steps->way == 'D'; one->steps[i].way; i++) {
            const char *text = one->steps[i].text;
            size_t length = feeder_step_length(&one->steps[i]);

            assert_true(length < STEP_MAXIMUM / 2);
            for (size_t at = 0; at < length; at++) {
                for (size_t j = 0; j < sizeof(widths) / sizeof(*widths); j++) {
                    if (at + widths[j] <= length)
                        lie_in_binary(one->steps, i, at, widths[j]);
                }
                size_t width = 0;
                while (at + width < length && is_digit(text[at + width]))
                    width++;
                if (width && (at == 0 || !is_digit(text[at - 1])))
                    lie_in_digits(one->steps, i, at, width);
            }
        }
    }
}

static void directions_may_be_wrong(void **state)
{
    (void)state;
    for (const struct conversation *one = conversations; one->name; one++) {
        play_changed(one->steps, SIZE_MAX, slice_of("", 0), SIZE_MAX);
        for (size_t i = one->steps->way == 'D'; one->steps[i].way; i++)
            play_changed(one->steps, SIZE_MAX, slice_of("", 0), i);
    }
}

/* --- floods ------------------------------------------------------------------------------- */

static uint8_t flood[FLOOD];

static const struct slice patterns[] = {
    {(const uint8_t *)"\0", 1},
    {(const uint8_t *)"\xff", 1},
    SLICE_LITERAL("*1\r\n"),          /* nesting without end */
    SLICE_LITERAL("%1\r\n+a\r\n"),    /* the same with maps */
    SLICE_LITERAL("*2147483647\r\n"), /* much announced */
    SLICE_LITERAL("$4294967295\r\nabc"),
    SLICE_LITERAL("a: b\r\n "), /* lines that go on */
    SLICE_LITERAL("GET /a HTTP/1.1\r\n"),
    {(const uint8_t *)"\x30\x80", 2}, /* ASN.1 inside itself */
    {(const uint8_t *)"\x7f\xff\xff\xff", 4},
};

static void fill(struct slice pattern)
{
    for (size_t i = 0; i < FLOOD; i++)
        flood[i] = pattern.data[i % pattern.length];
}

/* So many steps of the conversation, then the flood in the last one's direction. */
static void play_flood(const struct conversation *one, size_t steps)
{
    enum direction way = DIRECTION_A_TO_B;
    size_t before = in_use;
    struct play play;

    most_in_use = in_use;
    begin(&play, one->steps->way == 'D');
    for (size_t i = one->steps->way == 'D'; one->steps[i].way && steps; i++, steps--) {
        if (one->steps[i].way != '>' && one->steps[i].way != '<')
            break;
        way = way_of(&one->steps[i]);
        size_t length = feeder_step_length(&one->steps[i]);
        send_bytes(&play, way, slice_of(one->steps[i].text, steps == 1 ? length / 2 : length));
    }
    for (size_t at = 0; at < FLOOD; at += PIECE)
        send_bytes(&play, way, slice_part(slice_of(flood, FLOOD), at, PIECE));
    if (most_in_use - before > MEMORY_MAXIMUM)
        fail_msg("%s %s: %zu bytes of memory", one->parser, one->name, most_in_use - before);
    end(&play);
}

static void floods_find_limits(void **state)
{
    (void)state;
    for (const struct conversation *one = conversations; one->name; one++) {
        for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
            fill(patterns[i]);
            play_flood(one, 1);
            play_flood(one, 3);
        }
    }
}

/* --- little that stands for much ----------------------------------------------------------- */

/* The most memory that these bytes need, sent after the beginning of a conversation. */
static size_t memory_of(struct slice start, struct slice bomb, size_t times)
{
    size_t before = in_use;
    struct play play;

    most_in_use = in_use;
    begin(&play, !start.length);
    if (start.length)
        send_bytes(&play, DIRECTION_A_TO_B, start);
    while (times--)
        send_bytes(&play, DIRECTION_A_TO_B, bomb);
    end(&play);
    return most_in_use - before;
}

/* RFC 7541: an entry of 4,000 bytes, then 16,000 times its index, one byte each, in each block. */
static void a_bomb_of_hpack_has_a_limit(void **state)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    static uint8_t block[9 + 16384];
    size_t at = 9;

    (void)state;
    memset(block, 0, sizeof(block));
    memcpy(block, "\0\x40\0\1\4\0\0\0\1", 9); /* HEADERS of 16,384 bytes, END_HEADERS */
    memcpy(block + at, "\x82\x86\x84\x41\1a\x40\1x\x7f\xa1\x1e", 11); /* x: 4,000 bytes */
    at += 11;
    memset(block + at, 'v', 4000);
    at += 4000;
    memset(block + at, 0xbe, sizeof(block) - at); /* index 62 */
    size_t used =
        memory_of(slice_of(preface, sizeof(preface) - 1), slice_of(block, sizeof(block)), 64);
    if (used > MEMORY_MAXIMUM)
        fail_msg("%zu bytes of memory", used);
}

/* RFC 1035 §4.1.4: the longest name once, and 4,000 entries that point to it. */
static void a_bomb_of_dns_has_a_limit(void **state)
{
    static uint8_t message[65000];
    size_t at = 12;

    (void)state;
    memcpy(message, "\0\1\x81\x80\0\1\x0f\xa0\0\0\0\0", 12);
    for (unsigned i = 0; i < 4; i++, at += 62) {
        message[at] = i < 3 ? 61 : 60;
        memset(message + at + 1, 'a', 61);
    }
    at -= 1;
    memcpy(message + at, "\0\0\5\0\1", 5);
    at += 5;
    for (unsigned i = 0; i < 4000 && at + 14 <= sizeof(message); i++, at += 14)
        memcpy(message + at, "\xc0\x0c\0\5\0\1\0\0\0\1\0\2\xc0\x0c", 14);
    size_t used = memory_of(slice_of("", 0), slice_of(message, at), 200);
    if (used > MEMORY_MAXIMUM)
        fail_msg("%zu bytes of memory", used);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_may_lie),           cmocka_unit_test(directions_may_be_wrong),
        cmocka_unit_test(floods_find_limits),        cmocka_unit_test(a_bomb_of_hpack_has_a_limit),
        cmocka_unit_test(a_bomb_of_dns_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, feeder_finish);
}
