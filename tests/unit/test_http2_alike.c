/*
 * test_http2_alike: heads of HTTP/2 that came before, or are like others, and blocks that mean what
 * they meant before, give the records that they would give with nothing known of any other, byte
 * for byte. Connections are made up with a fixed seed by an encoder of its own (RFC 7541): entries
 * that are inserted, evicted, never indexed, tables that are resized between two blocks that are
 * the same, blocks in several frames, with padding, cut anywhere, with a gap; with another masking
 * half way.
 */
#include "tests/lib/http2_bytes.h"

#define CANARY "KaNaRy51"
#define KEY "a key of enough bytes for HMAC"
enum { ROUNDS = 400, STREAMS = 24, ENTRIES = 128, OVERHEAD = 32 };

static uint64_t random_state;

static unsigned random_below(unsigned limit)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % limit;
}

struct line {
    const char *name, *value; /* %u in a value: a number that changes now and then */
};
static const struct line request_lines[] = {
    {":method", "GET"},
    {":scheme", "http"},
    {":authority", "u:" CANARY "@shop.example:8080"},
    {":path", "/items/%u?password=" CANARY "&y=1"},
    {"user-agent", "curl/8.%u"},
    {"accept", "*/*"},
    {"authorization", "Bearer " CANARY},
    {"cookie", "a=" CANARY},
    {"cookie", "b=" CANARY "%u"},
    {"x-note", "see https://h.example/?token=" CANARY "&n=%u"},
    {"x-my-secret", CANARY "%u"},
    {"x-request-id", "4bf92f3577b34da6%u"},
    {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0%u"},
    {"content-type", "application/grpc"},
    {"x-bytes", "\xff\xfe \"quoted\\\" %u"},
    {"x-empty", ""},
    {NULL, NULL},
};
static const struct line response_lines[] = {
    {":status", "20%u"},
    {"server", "nginx/1.22.1"},
    {"date", "Mon, 01 Jan 2024 00:00:%u GMT"},
    {"content-type", "application/json"},
    {"set-cookie", "sid=" CANARY "%u; Path=/"},
    {"location", "/?access_token=" CANARY "&z=%u"},
    {"x-request-id", "4bf92f3577b34da6%u"},
    {"etag", "\"65920080-%u\""},
    {NULL, NULL},
};
static const struct line trailer_lines[] = {
    {"grpc-status", "%u"},
    {"x-api-key", CANARY},
    {"x-sum", "%u"},
    {NULL, NULL},
};
static const struct line odd_lines[] = {
    {"Upper", "x"},         {"a\r\nb", "c"},          {"x-bad", "a\r\nb"}, {"connection", "close"},
    {"x-blank", " around"}, {":path", "/too/late%u"}, {NULL, NULL},
};

/* The table of one direction, as its encoder knows it; [0] is the newest. */
struct compressor {
    struct {
        char name[32], value[128];
    } entries[ENTRIES];
    unsigned count;
    size_t size, maximum;
    unsigned number; /* what changes */
};

struct pair { /* [0] remembers */
    struct feeder feeders[2];
    void *masks[2];
    struct compressor compressors[2]; /* by direction */
    size_t shared, common, alike, shown;
};

/* RFC 7541 §5.1 */
static void add_integer(struct text *text, unsigned first, unsigned prefix, size_t number)
{
    unsigned limit = (1u << prefix) - 1;
    uint8_t byte = (uint8_t)(first | (number < limit ? number : limit));

    add(text, &byte, 1);
    if (number < limit)
        return;
    for (number -= limit; number >= 128; number >>= 7) {
        byte = (uint8_t)(number | 128);
        add(text, &byte, 1);
    }
    byte = (uint8_t)number;
    add(text, &byte, 1);
}

static void add_string(struct text *text, const char *string)
{
    add_integer(text, 0, 7, strlen(string));
    add(text, string, strlen(string));
}

static void evict(struct compressor *compressor, size_t more)
{
    while (compressor->count && compressor->size + more > compressor->maximum) {
        compressor->count--;
        compressor->size -= strlen(compressor->entries[compressor->count].name) +
                            strlen(compressor->entries[compressor->count].value) + OVERHEAD;
    }
}

static void insert(struct compressor *compressor, const char *name, const char *value)
{
    size_t size = strlen(name) + strlen(value) + OVERHEAD;

    evict(compressor, size);
    if (size > compressor->maximum)
        return;
    assert_true(compressor->count < ENTRIES);
    memmove(&compressor->entries[1], &compressor->entries[0],
            compressor->count * sizeof(compressor->entries[0]));
    snprintf(compressor->entries[0].name, sizeof(compressor->entries[0].name), "%s", name);
    snprintf(compressor->entries[0].value, sizeof(compressor->entries[0].value), "%s", value);
    compressor->count++;
    compressor->size += size;
}

static void add_line(struct compressor *compressor, struct text *text, const struct line *line,
                     bool is_steady)
{
    static const unsigned firsts[] = {0x00, 0x10}; /* plain, never indexed (§6.2.2, §6.2.3) */
    char value[128];

    snprintf(value, sizeof(value), line->value, compressor->number);
    for (unsigned i = 0; i < compressor->count; i++) {
        if (strcmp(compressor->entries[i].name, line->name) != 0 ||
            strcmp(compressor->entries[i].value, value) != 0)
            continue;
        add_integer(text, 0x80, 7, 62 + i);
        return;
    }
    if (is_steady ? compressor->number & 1 || !strchr(line->value, '%') : random_below(3)) {
        add_integer(text, 0x40, 6, 0);
        add_string(text, line->name);
        add_string(text, value);
        insert(compressor, line->name, value);
        return;
    }
    add_integer(text, firsts[strlen(value) & 1], 4, 0);
    add_string(text, line->name);
    add_string(text, value);
}

/* `mask`: which lines are left out. */
static void make_block(struct compressor *compressor, struct text *text, const struct line *lines,
                       unsigned mask, bool is_wild)
{
    text->length = 0;
    if (random_below(40) == 0) { /* §6.3 */
        size_t maximum = random_below(4) ? 4096 : random_below(600);

        add_integer(text, 0x20, 5, maximum);
        compressor->maximum = maximum;
        evict(compressor, 0);
    }
    for (unsigned i = 0; lines[i].name; i++) {
        if (mask >> i & 1)
            continue;
        add_line(compressor, text, &lines[i], !is_wild);
        if (is_wild && random_below(12) == 0)
            add_line(compressor, text, &odd_lines[random_below(6)], false);
    }
}

/* HEADERS, in one of all forms that it may have (RFC 9113 §6.2, §6.10). */
static void add_head(struct text *wire, const struct text *block, uint32_t stream, bool is_end)
{
    unsigned end = is_end, kind = random_below(12);
    struct text payload = {.length = 0};
    size_t half = block->length / 2;

    if (kind == 0) {
        add_frame(wire, HTTP2_HEADERS, end, stream, block->bytes, half);
        add_frame(wire, HTTP2_CONTINUATION, 4, stream, block->bytes + half, block->length - half);
    } else if (kind == 1) {
        add(&payload, "\x05", 1);
        add(&payload, block->bytes, block->length);
        add(&payload, "\0\0\0\0\0", 5);
        add_frame(wire, HTTP2_HEADERS, end | 12, stream, payload.bytes, payload.length);
    } else if (kind == 2) {
        add(&payload, "\0\0\0\0\x10", 5);
        add(&payload, block->bytes, block->length);
        add_frame(wire, HTTP2_HEADERS, end | 36, stream, payload.bytes, payload.length);
    } else {
        add_frame(wire, HTTP2_HEADERS, end | 4, stream, block->bytes, block->length);
    }
}

static void send(struct pair *pair, enum direction direction, const struct text *wire)
{
    bool is_cut = random_below(10) == 0;

    for (size_t at = 0; at < wire->length;) {
        size_t left = wire->length - at;
        size_t piece = is_cut ? random_below((unsigned)left) + 1 : left;

        for (size_t i = 0; i < 2; i++)
            feeder_send_copy(&pair->feeders[i], direction, slice_of(wire->bytes + at, piece));
        at += piece;
    }
}

static void make_masks(struct pair *pair, const char *key, const char *name)
{
    const char *names[] = {name, NULL};
    struct mask_options options = {.key = slice_of_string(key), .names = name ? names : NULL};

    for (size_t i = 0; i < 2; i++) {
        mask_free(&pair->masks[i]);
        assert_int_equal(mask_new(&options, &pair->masks[i]), 0);
    }
}

/* The records so far, which lived until now, whatever was evicted meanwhile. */
static void compare(struct pair *pair)
{
    struct buffer texts[2];

    for (size_t i = 0; i < 2; i++) {
        struct feeder *feeder = &pair->feeders[i];

        buffer_init(&texts[i], 1 << 22);
        for (size_t j = 0; j < feeder->record_count; j++) {
            struct record *record = feeder->records[j];

            pair->shared += record->memos[0] != NULL || record->memos[1] != NULL;
            append(&texts[i], pair->masks[i], record);
            for (size_t side = 0; side < 2; side++) {
                pair->alike += record->likenesses[side] != NULL;
                pair->shown += record->likenesses[side] && record->likenesses[side]->shown;
            }
            pair->common += record->commons[COMMON_OF_REQUEST].common != NULL;
            record_unref(&feeder->records[j]);
        }
        feeder->record_count = 0;
    }
    for (size_t at = 0; at < texts[0].length && at < texts[1].length; at++)
        if (texts[0].data[at] != texts[1].data[at])
            fail_msg("remembered: %.300s\nalone: %.300s",
                     (const char *)texts[0].data + (at > 200 ? at - 200 : 0),
                     (const char *)texts[1].data + (at > 200 ? at - 200 : 0));
    assert_int_equal(texts[0].length, texts[1].length);
    assert_null(memmem(texts[0].data, texts[0].length, CANARY, strlen(CANARY)));
    for (size_t i = 0; i < 2; i++)
        buffer_done(&texts[i]);
}

static void make_response(struct pair *pair, uint32_t stream, unsigned mask, bool is_wild)
{
    struct compressor *compressor = &pair->compressors[DIRECTION_B_TO_A];
    struct text block, wire = {.length = 0};
    unsigned kind = random_below(6);

    if (kind == 0) { /* an interim response in front */
        block.length = 0;
        add_line(compressor, &block, &(struct line){":status", "103"}, true);
        add_head(&wire, &block, stream, false);
    }
    make_block(compressor, &block, response_lines, mask, is_wild);
    add_head(&wire, &block, stream, kind == 1);
    if (kind == 2) {
        add_frame(&wire, HTTP2_DATA, 0, stream, "body", 4);
        make_block(compressor, &block, trailer_lines, 0, is_wild);
        add_head(&wire, &block, stream, true);
    } else if (kind > 1 || kind == 0) {
        add_frame(&wire, HTTP2_DATA, 1, stream, "body", 4);
    }
    send(pair, DIRECTION_B_TO_A, &wire);
}

static void begin(struct pair *pair)
{
    struct text wire = {.length = 0};

    for (size_t i = 0; i < 2; i++) {
        feeder_open(&pair->feeders[i]);
        pair->compressors[i].count = 0;
        pair->compressors[i].size = 0;
        pair->compressors[i].maximum = HPACK_MAXIMUM_DEFAULT;
    }
    add_opening(&wire, true);
    send(pair, DIRECTION_A_TO_B, &wire);
    wire.length = 0;
    add_opening(&wire, false);
    send(pair, DIRECTION_B_TO_A, &wire);
}

/* Bytes that were not seen, of both feeders. */
static void lose(struct pair *pair)
{
    enum direction direction = (enum direction)random_below(2);

    for (size_t i = 0; i < 2; i++)
        pair->feeders[i].positions[direction] += 100;
}

static void converse(struct pair *pair)
{
    bool is_wild = random_below(4) == 0;
    static const unsigned profiles[] = {0xc000, 0xe580, 0x3e00, 0x0730};
    unsigned left_out[2] = {profiles[random_below(4)], random_below(2) ? 0 : 0x72};

    begin(pair);
    for (unsigned i = 0; i < STREAMS; i++) {
        struct text block, wire = {.length = 0};
        uint32_t stream = 2 * i + 1;

        for (size_t side = 0; side < 2; side++)
            if (random_below(is_wild ? 5 : 15) == 0)
                pair->compressors[side].number = random_below(9);
        make_block(&pair->compressors[DIRECTION_A_TO_B], &block, request_lines, left_out[0],
                   is_wild);
        if (random_below(10) == 0) { /* with trailers */
            add_head(&wire, &block, stream, false);
            make_block(&pair->compressors[DIRECTION_A_TO_B], &block, trailer_lines, 1, is_wild);
        }
        add_head(&wire, &block, stream, true);
        send(pair, DIRECTION_A_TO_B, &wire);
        make_response(pair, stream, left_out[1], is_wild);
        if (is_wild && random_below(20) == 0)
            lose(pair);
    }
    for (size_t i = 0; i < 2; i++)
        feeder_close(&pair->feeders[i]);
}

static void play_both(const char *key, uint64_t seed)
{
    struct streams_options forgetful = {.is_forgetful = true};
    struct pair *pair = calloc(1, sizeof(*pair));

    assert_non_null(pair);
    random_state = seed;
    assert_int_equal(feeder_init(&pair->feeders[0], NULL), 0);
    assert_int_equal(feeder_init(&pair->feeders[1], &forgetful), 0);
    make_masks(pair, key, NULL);
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (i == ROUNDS / 2) /* as after SIGHUP */
            make_masks(pair, key, "accept");
        converse(pair);
        if (i % 16 == 15) /* records live on while others take the memos' places */
            compare(pair);
    }
    for (size_t i = 0; i < 2; i++) {
        const struct streams_counters *counters = streams_counters(pair->feeders[i].streams);

        assert_int_equal(counters->seen, counters->handed_on + counters->lost);
        feeder_done(&pair->feeders[i]);
        mask_free(&pair->masks[i]);
    }
    assert_true(pair->shared > (size_t)ROUNDS * STREAMS / 5);
    assert_true(pair->common > pair->shared / 10);
    assert_true(pair->alike > (size_t)ROUNDS * STREAMS / 5);
    assert_true(pair->shown > pair->alike / 2);
    free(pair);
}

static void heads_that_come_again_give_the_same_records(void **state)
{
    (void)state;
    play_both("", 1);
}

static void so_they_do_with_digests(void **state)
{
    (void)state;
    play_both(KEY, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_that_come_again_give_the_same_records),
        cmocka_unit_test(so_they_do_with_digests),
    };

    return cmocka_run_group_tests(tests, NULL, feeder_finish);
}
