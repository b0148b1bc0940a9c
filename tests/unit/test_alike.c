/*
 * test_alike: heads that are like others give the records that they would give with nothing known
 * of any other, byte for byte. Conversations are made up with a fixed seed: lines that change, go,
 * come twice, move, or break the rules; cut anywhere; with another masking half way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/crc32c.h"
#include "encode/encoder.h"
#include "encode/protobuf.h"
#include "refine/mask.h"
#include "sink/protobuf_read.h"
#include "tests/lib/feeder.h"

#define CANARY "KaNaRy51"
enum { ROUNDS = 1500, EXCHANGES = 6, HEAD_BYTES = 4096 };

/* %u is a number that changes now and then. */
static const char *const request_lines[] = {
    "Host: shop.example:8080",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.%u",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language: en-US,en;q=0.5",
    "Authorization: Bearer " CANARY "%u",
    "Cookie: session=" CANARY "; theme=" CANARY "%u",
    "Referer: http://u:" CANARY "@shop.example/a?token=" CANARY "&n=%u",
    "X-Request-ID: 4bf92f3577b34da6a3ce92%u",
    "X-My-Secret: " CANARY "%u",
    "X-Forwarded-For: 203.0.113.%u",
    "X-Empty:",
    "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0%u",
    "Cache-Control: max-age=%u",
    "X-Bytes: \xff\xfe \"quoted\\\" %u",
    "Connection: keep-alive",
    NULL,
};
static const char *const response_lines[] = {
    "Server: nginx/1.22.1",
    "Date: Mon, 01 Jan 2024 00:00:%u GMT",
    "Content-Type: application/json",
    "Content-Length: 0",
    "Set-Cookie: sid=" CANARY "%u; Path=/",
    "Location: /?access_token=" CANARY "&z=%u",
    "X-Request-ID: 4bf92f3577b34da6a3ce92%u",
    "Cache-Control: private, max-age=0",
    "ETag: \"65920080-%u\"",
    NULL,
};
static const char *const odd_lines[] = {
    " folded on",
    "no colon",
    "X-Control: a\x01"
    "b",
    "A : b",
    ": no name",
    "\tX-Tab: b",
    "X-Tab: a\tb",
    "Host: other.example",
    "X:y",
    "X:  two  ",
    "Content-Length: 0",
    "Content-Length: 00, 0",
    "X-Delete: \x7f",
    "B\xc3: c",
    "X-Return: a\rb",
    "Upgrade: unknown/1",
    "Content-Encoding: gzip",
};

static uint64_t random_state;

static unsigned random_below(unsigned limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(random_state >> 33) % limit;
}

struct text {
    size_t length;
    char bytes[HEAD_BYTES];
};

static void add_line(struct text *head, const char *line)
{
    size_t left = sizeof(head->bytes) - head->length;
    unsigned number = random_below(3) ? 7 : random_below(30);
    const char *place = strstr(line, "%u");
    const char *end = random_below(300) ? "\r\n" : "\n";
    int length;

    if (place)
        length = snprintf(head->bytes + head->length, left, "%.*s%u%s%s", (int)(place - line), line,
                          number, place + 2, end);
    else
        length = snprintf(head->bytes + head->length, left, "%s%s", line, end);
    assert_true(length > 0 && (size_t)length < left);
    head->length += (size_t)length;
}

/* Most heads are nearly the same; `is_wild`: in this one anything may be. */
static void make_head(struct text *head, const char *start, const char *const *lines, bool is_wild)
{
    size_t count = 0;

    head->length = 0;
    add_line(head, start);
    while (lines[count])
        count++;
    for (size_t i = 0; i < count; i++) {
        unsigned change = is_wild ? random_below(16) : 15;

        if (change == 0)
            continue;
        if (change == 1)
            add_line(head, odd_lines[random_below(sizeof(odd_lines) / sizeof(*odd_lines))]);
        if (change == 2)
            add_line(head, lines[random_below((unsigned)count)]);
        add_line(head, lines[i]);
    }
    memcpy(head->bytes + head->length, "\r\n", 2);
    head->length += 2;
}

/* Two that see the same: one remembers, one does not. */
struct pair {
    struct feeder feeders[2];
    void *masks[2];
    size_t alike, shown;
    bool is_otlp; /* the encoder; else those of text */
};

static void make_masks(struct pair *pair, const char *key, const char *name)
{
    const char *names[] = {name, NULL};
    struct mask_options options = {.key = slice_of_string(key), .names = name ? names : NULL};

    for (size_t i = 0; i < 2; i++) {
        if (pair->masks[i])
            mask_free(&pair->masks[i]);
        assert_int_equal(mask_new(&options, &pair->masks[i]), 0);
    }
}

enum message { TEXT, LOG, PAIR, ANY, LIST };

/* What a field of LogRecord, KeyValue, AnyValue or ArrayValue is. */
static enum message message_of(enum message outer, unsigned field)
{
    switch (outer) {
    case LOG:
        return field == 5 ? ANY : field == 6 ? PAIR : TEXT;
    case PAIR:
        return field == 2 ? ANY : TEXT;
    case ANY:
        return field == 5 ? LIST : TEXT;
    default:
        return ANY;
    }
}

/* A sum over a message's fields, however many bytes their lengths are written in. */
static uint64_t sum_of(struct slice message, enum message kind)
{
    struct protobuf_field field;
    uint64_t sum = kind;

    while (protobuf_take(&message, &field)) {
        enum message inner = message_of(kind, field.number);
        uint64_t part = field.number * 1000003u + field.value;

        if (field.type == PROTOBUF_BYTES)
            part += (inner == TEXT ? crc32c(0, field.bytes) : sum_of(field.bytes, inner)) * 31;
        part = (part ^ part >> 29) * 0xbf58476d1ce4e5b9u;
        part ^= part >> 32;
        sum = kind == LOG ? sum + part : sum * 31 + part;
    }
    assert_int_equal(message.length, 0);
    return sum;
}

/*
 * A log record of OTLP, as a sum that the order of its attributes does not change: what records
 * have in common comes first.
 */
static void append_otlp(struct buffer *text, const struct record *record)
{
    static const struct encoder_options options = {0};
    struct buffer message;
    uint64_t sum;

    buffer_init(&message, 1 << 20);
    assert_int_equal(encoder_otlp.encode(record, &options, &message), 0);
    assert_null(memmem(message.data, message.length, CANARY, strlen(CANARY)));
    sum = sum_of(buffer_slice(&message), LOG);
    assert_int_equal(buffer_append(text, slice_of(&sum, sizeof(sum))), 0);
    buffer_done(&message);
}

/* All that has to do with the record's number is made equal. */
static void append(struct buffer *text, void *mask, struct record *record, bool is_otlp)
{
    static const struct encoder_options options = {0};
    struct value *id = record_find(record, FIELD_ID);

    id->number = 1;
    assert_int_equal(stage_mask.refine(mask, record), STAGE_PASS);
    if (is_otlp) { /* alone, since one encoder keeps what it makes */
        append_otlp(text, record);
        return;
    }
    assert_int_equal(encoder_json.encode(record, &options, text), 0);
    assert_int_equal(encoder_logfmt.encode(record, &options, text), 0);
}

static void compare(struct pair *pair)
{
    struct buffer texts[2];

    assert_int_equal(pair->feeders[0].record_count, pair->feeders[1].record_count);
    for (size_t i = 0; i < 2; i++) {
        struct feeder *feeder = &pair->feeders[i];

        buffer_init(&texts[i], 1 << 22);
        for (size_t j = 0; j < feeder->record_count; j++) {
            append(&texts[i], pair->masks[i], feeder->records[j], pair->is_otlp);
            for (size_t side = 0; side < 2; side++) {
                const struct head_likeness *likeness = feeder->records[j]->likenesses[side];

                pair->alike += likeness != NULL;
                pair->shown += likeness && likeness->shown;
            }
            record_unref(&feeder->records[j]);
        }
        feeder->record_count = 0;
    }
    assert_int_equal(texts[0].length, texts[1].length);
    assert_memory_equal(texts[0].data, texts[1].data, texts[0].length);
    assert_null(memmem(texts[0].data, texts[0].length, CANARY, strlen(CANARY)));
    buffer_done(&texts[0]);
    buffer_done(&texts[1]);
}

static void send_head(struct pair *pair, enum direction direction, const struct text *head,
                      bool is_cut)
{
    for (size_t at = 0; at < head->length;) {
        size_t left = head->length - at;
        size_t piece = is_cut ? random_below((unsigned)left) + 1 : left;
        char *copy = malloc(piece); /* of its own, so that a read past its end is seen */

        assert_non_null(copy);
        memcpy(copy, head->bytes + at, piece);
        for (size_t i = 0; i < 2; i++)
            feeder_send(&pair->feeders[i], direction, slice_of(copy, piece));
        free(copy);
        at += piece;
    }
}

static void converse(struct pair *pair)
{
    bool is_wild = random_below(3) == 0;
    struct text request, response;

    for (size_t i = 0; i < 2; i++)
        feeder_open(&pair->feeders[i]);
    for (unsigned i = 0; i < EXCHANGES; i++) {
        bool is_cut = random_below(8) == 0;

        make_head(&request,
                  random_below(2) ? "GET /items/%u?password=" CANARY "&y=1 HTTP/1.1"
                                  : "HEAD /other/%u HTTP/1.1",
                  request_lines, is_wild);
        make_head(&response, random_below(4) ? "HTTP/1.1 200 OK" : "HTTP/1.1 404 Not Found %u",
                  response_lines, is_wild);
        send_head(pair, DIRECTION_A_TO_B, &request, is_cut);
        send_head(pair, DIRECTION_B_TO_A, &response, is_cut);
    }
    for (size_t i = 0; i < 2; i++)
        feeder_close(&pair->feeders[i]);
    compare(pair);
}

static void play(const char *key, uint64_t seed, bool is_otlp)
{
    struct streams_options forgetful = {.is_forgetful = true};
    struct pair *pair = calloc(1, sizeof(*pair));

    assert_non_null(pair);
    random_state = seed;
    pair->is_otlp = is_otlp;
    assert_int_equal(feeder_init(&pair->feeders[0], NULL), 0);
    assert_int_equal(feeder_init(&pair->feeders[1], &forgetful), 0);
    make_masks(pair, key, NULL);
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (i == ROUNDS / 2)
            make_masks(pair, key, "accept");
        converse(pair);
    }
    for (size_t i = 0; i < 2; i++) {
        const struct streams_counters *counters = streams_counters(pair->feeders[i].streams);

        assert_int_equal(counters->seen, counters->handed_on + counters->lost);
        feeder_done(&pair->feeders[i]);
        mask_free(&pair->masks[i]);
    }
    assert_true(pair->alike > (size_t)ROUNDS * EXCHANGES / 2);
    assert_true(pair->shown > pair->alike / 2);
    free(pair);
}

static void heads_that_are_alike_give_the_same_records(void **state)
{
    (void)state;
    play("", 1, false);
}

static void so_they_do_with_digests(void **state)
{
    (void)state;
    play("a key of enough bytes for HMAC", 2, false);
}

static void so_they_do_as_attributes(void **state)
{
    (void)state;
    play("", 3, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_that_are_alike_give_the_same_records),
        cmocka_unit_test(so_they_do_with_digests),
        cmocka_unit_test(so_they_do_as_attributes),
    };

    return cmocka_run_group_tests(tests, NULL, feeder_finish);
}
