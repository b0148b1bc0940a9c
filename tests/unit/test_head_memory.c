/*
 * test_head_memory: a head that came before gives the record that it would give alone: with its
 * secrets hidden, also after the masking has changed; nothing is taken for another, and memory that
 * runs out costs nothing but time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/allocate.h"
#include "encode/encoder.h"
#include "model/head_memory.h"
#include "refine/mask.h"
#include "tests/lib/feeder.h"

#define CANARY "KaNaRy51"
enum { TIMES = 5, REQUEST_KIND = 1, RESPONSE_KIND = 2 };

static const struct feeder_step plain[] = {
    {'>',
     "GET /a?b=c HTTP/1.1\r\nHost: shop.example:8080\r\nUser-Agent: curl/8\r\n"
     "X-Request-ID: 4bf92f3577b34da6\r\nAccept: */*\r\n\r\n",
     0},
    {'<', "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 2\r\nVary: *\r\n\r\n", 0},
    {'<', "ok", 0},
    {'>',
     "GET /a?b=c HTTP/1.1\r\nHost: shop.example:8080\r\nUser-Agent: curl/8\r\n"
     "X-Request-ID: 4bf92f3577b34da6\r\nAccept: */*\r\n\r\n",
     0},
    {'<', "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n", 0},
    {0},
};
static const struct feeder_step secrets[] = {
    {'>',
     "POST /x?password=" CANARY "&y=1 HTTP/1.1\r\nHost: u:" CANARY "@shop.example\r\n"
     "Authorization: Bearer " CANARY "\r\nCookie: a=" CANARY "; b=" CANARY "\r\n"
     "X-My-Secret: " CANARY "\r\nReferer: http://u:" CANARY "@h/?token=" CANARY "\r\n"
     "Content-Length: 0\r\n\r\n",
     0},
    {'<',
     "HTTP/1.1 302 Found\r\nLocation: /?access_token=" CANARY "&z=1\r\n"
     "Set-Cookie: sid=" CANARY "; Path=/\r\n"
     "Content-Length: 0\r\n\r\n",
     0},
    {0},
};
static const struct feeder_step odd[] = {
    {'>',
     "HEAD http://h.example/p?q HTTP/1.0\nA : b\r\nFolded: one\r\n two\r\nB\x01: \xff\xfe\r\n"
     "Host: x\r\nHost: y\r\n\r\n",
     0},
    {'<', "HTTP/1.0 200\r\nContent-Length: 5\r\nContent-Length: 6\r\nno colon\r\n\r\n", 0},
    {0},
};
/* Trailers are headers, too, but others. */
static const struct feeder_step trailers[] = {
    {'>', "PUT /t HTTP/1.1\r\nHost: h.example\r\nTransfer-Encoding: chunked\r\n\r\n", 0},
    {'>', "1\r\na\r\n0\r\nX-One: 1\r\nX-Two: 2\r\nX-Api-Key: " CANARY "\r\nX-Four: 4\r\n\r\n", 0},
    {'<', "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 0},
    {'<', "0\r\nX-Five: 5\r\nX-Six: 6\r\nX-Api-Key: " CANARY "\r\nX-Eight: 8\r\n\r\n", 0},
    {0},
};
static const struct feeder_step *const talks[] = {plain, secrets, odd, trailers};

/* All that has to do with times and with the record's number is made equal. */
static void append(struct buffer *text, void *mask, struct record *record)
{
    static const struct encoder_options options = {0};

    record->time_ns = 0;
    for (unsigned i = 0; i < record->value_count; i++) {
        unsigned field = record->values[i].field;

        if (field == FIELD_ID || field == FIELD_TIME || field == FIELD_DURATION_NS ||
            field == FIELD_TTFB_NS)
            record->values[i].number = 1;
    }
    assert_int_equal(stage_mask.refine(mask, record), STAGE_PASS);
    assert_int_equal(encoder_json.encode(record, &options, text), 0);
    assert_int_equal(encoder_logfmt.encode(record, &options, text), 0);
}

/* What the feeder's new records look like. */
static void collect(struct feeder *feeder, void *mask, struct buffer *text)
{
    text->length = 0;
    for (size_t i = 0; i < feeder->record_count; i++) {
        append(text, mask, feeder->records[i]);
        record_unref(&feeder->records[i]);
    }
    feeder->record_count = 0;
}

static void *make_mask(const char *key, const char *name)
{
    const char *names[] = {name, NULL};
    struct mask_options options = {.key = slice_of_string(key), .names = name ? names : NULL};
    void *mask = NULL;

    assert_int_equal(mask_new(&options, &mask), 0);
    return mask;
}

static void expect_equal(const struct buffer *text, const struct buffer *expected)
{
    assert_int_equal(text->length, expected->length);
    assert_memory_equal(text->data, expected->data, expected->length);
}

/* One talk alone, with a memory and a mask that know nothing. */
static void play_alone(const struct feeder_step *steps, const char *key, const char *name,
                       struct buffer *text)
{
    struct feeder feeder;
    void *mask = make_mask(key, name);

    assert_int_equal(feeder_init(&feeder, NULL), 0);
    feeder_play(&feeder, steps, NULL, NULL);
    collect(&feeder, mask, text);
    feeder_done(&feeder);
    mask_free(&mask);
}

static void play_again(struct feeder *feeder, const struct feeder_step *steps, void *mask,
                       const struct buffer *expected)
{
    struct buffer text;

    buffer_init(&text, 1 << 20);
    for (int i = 0; i < TIMES; i++) {
        feeder_play(feeder, steps, NULL, NULL);
        collect(feeder, mask, &text);
        expect_equal(&text, expected);
    }
    buffer_done(&text);
}

static void repeated_heads_give_the_same_records(void **state)
{
    static const char *const keys[] = {"", "a key of enough bytes for HMAC"};
    struct buffer expected;

    (void)state;
    buffer_init(&expected, 1 << 20);
    for (size_t talk = 0; talk < sizeof(talks) / sizeof(*talks); talk++) {
        for (size_t key = 0; key < 2; key++) {
            struct feeder feeder;
            void *mask = make_mask(keys[key], NULL);

            play_alone(talks[talk], keys[key], NULL, &expected);
            assert_null(memmem(expected.data, expected.length, CANARY, strlen(CANARY)));
            assert_int_equal(feeder_init(&feeder, NULL), 0);
            play_again(&feeder, talks[talk], mask, &expected);
            feeder_done(&feeder);
            mask_free(&mask);
        }
    }
    buffer_done(&expected);
}

static void known_conversations_give_the_same_records(void **state)
{
    struct buffer expected;

    (void)state;
    buffer_init(&expected, 1 << 20);
    for (const struct conversation *one = conversations; one->name; one++) {
        struct feeder feeder;
        void *mask;

        if (strcmp(one->parser, "http1") != 0)
            continue;
        mask = make_mask("", NULL);
        play_alone(one->steps, "", NULL, &expected);
        assert_int_equal(feeder_init(&feeder, NULL), 0);
        play_again(&feeder, one->steps, mask, &expected);
        feeder_done(&feeder);
        mask_free(&mask);
    }
    buffer_done(&expected);
}

/* As after SIGHUP: what was remembered for the old masking is used no more. */
static void a_new_mask_masks_anew(void **state)
{
    struct feeder feeder;
    struct buffer before, after;
    void *old = make_mask("", NULL), *fresh = make_mask("", "accept");

    (void)state;
    buffer_init(&before, 1 << 20);
    buffer_init(&after, 1 << 20);
    play_alone(plain, "", NULL, &before);
    play_alone(plain, "", "accept", &after);
    assert_non_null(memmem(before.data, before.length, "*/*", 3));
    assert_null(memmem(after.data, after.length, "*/*", 3));
    assert_int_equal(feeder_init(&feeder, NULL), 0);
    play_again(&feeder, plain, old, &before);
    play_again(&feeder, plain, fresh, &after);
    play_again(&feeder, plain, old, &before);
    feeder_done(&feeder);
    mask_free(&old);
    mask_free(&fresh);
    buffer_done(&before);
    buffer_done(&after);
}

/* The response's Set-Cookie may repeat what stands in the request, and then hides it there. */
static void one_head_hides_what_stands_in_the_other(void **state)
{
    static const struct feeder_step with[] = {
        {'>', "GET / HTTP/1.1\r\nHost: h.example\r\nX-Request-ID: abcdefghijkl\r\n\r\n", 0},
        {'<', "HTTP/1.1 204 No\r\nSet-Cookie: id=abcdefghijkl\r\n\r\n", 0},
        {0},
    };
    static const struct feeder_step without[] = {
        {'>', "GET / HTTP/1.1\r\nHost: h.example\r\nX-Request-ID: abcdefghijkl\r\n\r\n", 0},
        {'<', "HTTP/1.1 204 No\r\nServer: abcdefghijkl\r\n\r\n", 0},
        {0},
    };
    struct feeder feeder;
    struct buffer first, second;
    void *mask = make_mask("", NULL);

    (void)state;
    buffer_init(&first, 1 << 20);
    buffer_init(&second, 1 << 20);
    play_alone(with, "", NULL, &first);
    play_alone(without, "", NULL, &second);
    assert_int_equal(feeder_init(&feeder, NULL), 0);
    for (int i = 0; i < 3; i++) {
        play_again(&feeder, with, mask, &first);
        play_again(&feeder, without, mask, &second);
    }
    feeder_done(&feeder);
    mask_free(&mask);
    buffer_done(&first);
    buffer_done(&second);
}

/* One more turn, in which the n-th allocation fails. True: there were so many. */
static bool play_without_memory(struct feeder *feeder, void *mask, uint64_t n)
{
    struct buffer text;
    bool has_failed;

    buffer_init(&text, 1 << 20);
    assert_int_equal(buffer_reserve(&text, 1 << 19), 0);
    allocate_fail_at(n);
    feeder_play(feeder, secrets, NULL, NULL);
    collect(feeder, mask, &text);
    has_failed = allocate_has_failed();
    allocate_fail_at(0);
    assert_null(memmem(text.data, text.length, CANARY, strlen(CANARY)));
    buffer_done(&text);
    return has_failed;
}

/* Each allocation fails in turn, and what comes afterwards is right again. */
static void memory_may_run_out(void **state)
{
    struct buffer expected;
    bool has_failed = true;

    (void)state;
    buffer_init(&expected, 1 << 20);
    play_alone(secrets, "", NULL, &expected);
    for (uint64_t n = 1; has_failed; n++) {
        const struct streams_counters *counters;
        struct feeder feeder;
        void *mask = make_mask("", NULL);

        record_pool_done();
        has_failed = false;
        assert_int_equal(feeder_init(&feeder, NULL), 0);
        counters = streams_counters(feeder.streams);
        for (int i = 0; i < TIMES; i++) { /* memos are made and filled in the second and third */
            record_pool_done();
            has_failed |= play_without_memory(&feeder, mask, n);
        }
        play_again(&feeder, secrets, mask, &expected);
        assert_int_equal(counters->seen, counters->handed_on + counters->lost);
        feeder_done(&feeder);
        mask_free(&mask);
    }
    buffer_done(&expected);
}

static struct head_memo *keep(struct head_memory *memory, unsigned kind, struct slice bytes)
{
    for (int i = 0; i < 2; i++) {
        struct head_memo *memo = head_memory_find(memory, kind, bytes);

        if (!memo)
            memo = head_memory_add(memory, kind, bytes);
        if (memo)
            return memo;
    }
    return NULL;
}

static void only_the_same_bytes_are_found(void **state)
{
    struct head_memory *memory = head_memory_new();
    uint8_t bytes[100];

    (void)state;
    assert_non_null(memory);
    for (size_t length = HEAD_MEMORY_SHORTEST; length <= sizeof(bytes); length += 3) {
        struct head_memo *memo;

        memset(bytes, 'a', sizeof(bytes));
        memo = keep(memory, REQUEST_KIND, slice_of(bytes, length));
        assert_non_null(memo);
        assert_ptr_equal(head_memory_find(memory, REQUEST_KIND, slice_of(bytes, length)), memo);
        assert_null(head_memory_find(memory, RESPONSE_KIND, slice_of(bytes, length)));
        for (size_t i = 0; i < length; i++) {
            bytes[i] ^= 1;
            assert_null(head_memory_find(memory, REQUEST_KIND, slice_of(bytes, length)));
            bytes[i] ^= 1;
        }
        assert_null(head_memory_find(memory, REQUEST_KIND, slice_of(bytes, length - 1)));
        assert_ptr_equal(head_memory_find(memory, REQUEST_KIND, slice_of(bytes, length)), memo);
    }
    head_memory_free(&memory);
}

/* Of one length, and with the same words where a guess looks. */
static void alike_heads_are_found(void **state)
{
    struct head_memory *memory = head_memory_new();
    struct head_memo *memos[8];
    uint8_t bytes[200];

    (void)state;
    assert_non_null(memory);
    memset(bytes, 'a', sizeof(bytes));
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 8; i++) {
            bytes[30] = (uint8_t)i;
            if (round == 0)
                memos[i] = keep(memory, REQUEST_KIND, slice_of(bytes, sizeof(bytes)));
            assert_non_null(memos[i]);
            assert_memory_equal(memos[i]->bytes.data, bytes, sizeof(bytes));
            assert_ptr_equal(head_memory_find(memory, REQUEST_KIND, slice_of(bytes, sizeof(bytes))),
                             memos[i]);
        }
    }
    assert_int_equal(head_memory_counters(memory)->kept, 8);
    assert_int_equal(head_memory_counters(memory)->evicted, 0);
    head_memory_free(&memory);
}

static void limits_hold(void **state)
{
    static uint8_t bytes[HEAD_MEMORY_LONGEST + 1];
    struct head_memory *memory = head_memory_new();
    struct head_memo *memo;

    (void)state;
    assert_non_null(memory);
    assert_null(keep(memory, REQUEST_KIND, slice_of(bytes, HEAD_MEMORY_SHORTEST - 1)));
    assert_null(keep(memory, REQUEST_KIND, slice_of(bytes, HEAD_MEMORY_LONGEST + 1)));
    memo = keep(memory, REQUEST_KIND, slice_of(bytes, HEAD_MEMORY_LONGEST));
    assert_non_null(memo);
    assert_null(arena_allocate(memo->arena, HEAD_MEMO_MAXIMUM));
    memo->is_stale = true;
    assert_null(head_memory_find(memory, REQUEST_KIND, slice_of(bytes, HEAD_MEMORY_LONGEST)));
    memo = head_memory_add(memory, REQUEST_KIND, slice_of(bytes, HEAD_MEMORY_LONGEST));
    assert_non_null(memo); /* at once */
    head_memory_forget(memory, memo);
    assert_null(head_memory_find(memory, REQUEST_KIND, slice_of(bytes, HEAD_MEMORY_LONGEST)));
    assert_null(head_memory_find(NULL, REQUEST_KIND, slice_of(bytes, 100)));
    assert_null(head_memory_add(NULL, REQUEST_KIND, slice_of(bytes, 100)));
    head_memory_free(&memory);
}

/* Far more heads than places: they take each other's, and a record keeps what it has. */
static void others_take_the_place(void **state)
{
    enum { HEADS = HEAD_MEMORY_SLOTS * 8 };
    struct head_memory *memory = head_memory_new();
    const struct head_memory_counters *counters = head_memory_counters(memory);
    char text[64] = "GET /0 HTTP/1.1";
    struct head_memo *held;

    (void)state;
    held = keep(memory, REQUEST_KIND, slice_of(text, 32));
    assert_non_null(held);
    held = head_memo_ref(held);
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < HEADS; i++) {
            struct head_memo *memo;

            snprintf(text, sizeof(text), "GET /item/%08u HTTP/1.1", i);
            memo = keep(memory, REQUEST_KIND, slice_of(text, 32));
            assert_non_null(memo);
            assert_memory_equal(memo->bytes.data, text, 32);
        }
    }
    assert_true(counters->evicted >= HEADS - HEAD_MEMORY_SLOTS);
    assert_true(counters->kept - counters->evicted <= HEAD_MEMORY_SLOTS);
    assert_memory_equal(held->bytes.data, "GET /0 HTTP/1.1", 16);
    head_memory_free(&memory);
    assert_memory_equal(held->bytes.data, "GET /0 HTTP/1.1", 16);
    head_memo_unref(&held);
    assert_null(held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeated_heads_give_the_same_records),
        cmocka_unit_test(known_conversations_give_the_same_records),
        cmocka_unit_test(a_new_mask_masks_anew),
        cmocka_unit_test(one_head_hides_what_stands_in_the_other),
        cmocka_unit_test(memory_may_run_out),
        cmocka_unit_test(only_the_same_bytes_are_found),
        cmocka_unit_test(alike_heads_are_found),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(others_take_the_place),
    };

    return cmocka_run_group_tests(tests, NULL, feeder_finish);
}
