/*
 * test_http2_memo: blocks whose bytes come again mean what the table says now, whatever they meant
 * before (RFC 7541 §2.3.3, §4); memory that runs out costs nothing but time.
 */
#include "base/allocate.h"
#include "tests/lib/http2_bytes.h"

#define CANARY "KaNaRy51"

struct step {
    const char *block; /* of a request */
    size_t length;
    const char *headers; /* that it means, behind the first three; NULL: any */
};
#define STEP(block, headers)                                                                       \
    {                                                                                              \
        block, sizeof(block) - 1, headers                                                          \
    }
#define AGAIN "\x82\x84\x86\xbe" /* the newest entry */

/* Each step is a stream, which is answered with 204 and a cookie. */
static void play_steps(struct feeder *feeder, const struct step *steps, size_t count)
{
    static const char answer[] = "\x89\x0f\x28\x05"
                                 "a="
                                 "xyz";
    struct text wire = {.length = 0};

    feeder_open(feeder);
    add_opening(&wire, true);
    send_text(feeder, DIRECTION_A_TO_B, &wire);
    for (uint32_t i = 0; i < count; i++) {
        wire.length = 0;
        add_frame(&wire, HTTP2_HEADERS, 5, 2 * i + 1, steps[i].block, steps[i].length);
        send_text(feeder, DIRECTION_A_TO_B, &wire);
        wire.length = 0;
        if (i == 0)
            add_opening(&wire, false);
        add_frame(&wire, HTTP2_HEADERS, 5, 2 * i + 1, answer, sizeof(answer) - 1);
        send_text(feeder, DIRECTION_B_TO_A, &wire);
    }
    feeder_close(feeder);
}

static const struct step changes[] = {
    STEP("\x82\x84\x86\x40\x06x-note\x03one", "x-note: one\n"),
    STEP(AGAIN, "x-note: one\n"),
    STEP(AGAIN, "x-note: one\n"),
    STEP(AGAIN, "x-note: one\n"),
    STEP(AGAIN, "x-note: one\n"),
    STEP("\x82\x84\x86\x40\x06x-note\x03two", "x-note: two\n"),
    STEP(AGAIN, "x-note: two\n"),
    STEP("\x82\x84\x86\xbf", "x-note: one\n"),
    STEP(AGAIN, "x-note: two\n"),
    STEP(AGAIN, "x-note: two\n"),
    STEP("\x3f\x0b" AGAIN, "x-note: two\n"), /* 42 bytes: room for one (§4.3) */
    STEP("\x82\x84\x86\xbf", NULL),          /* evicted */
    STEP(AGAIN, "x-note: two\n"),
    STEP(AGAIN, "x-note: two\n"),
    STEP("\x20"
         "\x3f\x0b" AGAIN,
         NULL), /* empty */
    STEP(AGAIN, NULL),
    STEP("\x82\x84\x86\x40\x06x-note\x03six", "x-note: six\n"),
    STEP(AGAIN, "x-note: six\n"),
    STEP(AGAIN, "x-note: six\n"),
    STEP("\x82\x84\x86\x10\x06x-note\x03"
         "ten",
         "x-note: ten\n"),
    STEP(AGAIN, "x-note: six\n"),
};
enum { CHANGES = sizeof(changes) / sizeof(*changes) };

static void the_same_block_with_another_table(void **state)
{
    static struct feeder feeder;

    (void)state;
    assert_int_equal(feeder_init(&feeder, NULL), 0);
    for (unsigned turn = 0; turn < 4; turn++)
        play_steps(&feeder, changes, CHANGES);
    assert_int_equal(feeder.record_count, 4 * CHANGES);
    for (size_t i = 0; i < feeder.record_count; i++) {
        const struct step *step = &changes[i % CHANGES];
        char *headers = feeder_value(feeder.records[i], "http.request.headers");
        char *reason = feeder_value(feeder.records[i], "malformed.reason");

        assert_memory_equal(headers, ":method: GET\n:path: /\n:scheme: http\n", 36);
        if (strcmp(headers + 36, step->headers ? step->headers : "") != 0)
            fail_msg("%zu: %s", i, headers);
        assert_int_equal(reason != NULL, step->headers == NULL);
        free(headers);
        free(reason);
    }
    assert_true(feeder.records[feeder.record_count - 1]->memos[0] != NULL);
    feeder_done(&feeder);
}

static const struct step secrets[] = {
    STEP("\x82\x84\x86\x40\x06x-note\x1bhttp://h/?password=" CANARY "\x40\x0d"
         "authorization\x0f"
         "Bearer " CANARY,
         NULL),
    STEP("\x82\x84\x86\xbe\xbf", NULL),
    STEP("\x82\x84\x86\xbe\xbf", NULL),
    STEP("\x82\x84\x86\xbe\xbf", NULL),
};
enum { SECRETS = sizeof(secrets) / sizeof(*secrets) };

/* What the turn's records look like when the n-th allocation fails; 0: none does. */
static bool turn_without_memory(struct feeder *feeder, void *mask, uint64_t n, struct buffer *text)
{
    bool has_failed;

    text->length = 0;
    assert_int_equal(buffer_reserve(text, 1 << 18), 0);
    record_pool_done();
    allocate_fail_at(n);
    play_steps(feeder, secrets, SECRETS);
    for (size_t i = 0; i < feeder->record_count; i++) {
        feeder->records[i]->time_ns = 1;
        feeder->records[i]->response_time_ns = feeder->records[i]->end_time_ns = 1;
        for (uint32_t j = 0; j < feeder->records[i]->value_count; j++)
            if (feeder->records[i]->values[j].field == FIELD_DURATION_NS ||
                feeder->records[i]->values[j].field == FIELD_TTFB_NS)
                feeder->records[i]->values[j].number = 1;
        append(text, mask, feeder->records[i]);
        record_unref(&feeder->records[i]);
    }
    feeder->record_count = 0;
    has_failed = allocate_has_failed();
    allocate_fail_at(0);
    assert_null(memmem(text->data, text->length, CANARY, strlen(CANARY)));
    return has_failed;
}

/* Each allocation fails in turn, and what comes afterwards is right again. */
static void memory_may_run_out(void **state)
{
    struct buffer texts[2];
    bool has_failed = true;

    (void)state;
    buffer_init(&texts[0], 1 << 20);
    buffer_init(&texts[1], 1 << 20);
    for (uint64_t n = 0; has_failed; n++) {
        struct feeder *feeder = calloc(1, sizeof(*feeder));
        struct mask_options options = {.is_disabled = false};
        void *mask = NULL;
        const struct streams_counters *counters;

        assert_non_null(feeder);
        assert_int_equal(mask_new(&options, &mask), 0);
        assert_int_equal(feeder_init(feeder, NULL), 0);
        counters = streams_counters(feeder->streams);
        has_failed = n == 0;
        for (int turn = 0; turn < 4; turn++)
            has_failed |= turn_without_memory(feeder, mask, n, &texts[1]);
        turn_without_memory(feeder, mask, 0, &texts[n > 0]);
        assert_int_equal(texts[0].length, texts[n > 0].length);
        assert_memory_equal(texts[0].data, texts[n > 0].data, texts[0].length);
        assert_int_equal(counters->seen, counters->handed_on + counters->lost);
        feeder_done(feeder);
        mask_free(&mask);
        free(feeder);
    }
    buffer_done(&texts[0]);
    buffer_done(&texts[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_block_with_another_table),
        cmocka_unit_test(memory_may_run_out),
    };

    return cmocka_run_group_tests(tests, NULL, feeder_finish);
}
