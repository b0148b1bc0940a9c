/*
 * test_metric_sinks: Snappy gives every input back; native histograms count each value in the
 * bucket whose bounds hold it, also after they grew coarser; what sinks of metrics write has the
 * values and the order of labels that their protocols want.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "base/allocate.h"
#include "refine/metrics.h"
#include "sink/body_compression.h"
#include "sink/grpc.h"
#include "sink/protobuf_read.h"
#include "sink/settings.h"
#include "sink/snappy.h"

static uint32_t seed;

static uint32_t any(void)
{
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

/* By the format's description. False: damaged. */
static bool expand(struct slice from, struct buffer *to)
{
    uint64_t length;
    size_t at = 0;

    if (!protobuf_take_number(&from, &length))
        return false;
    while (at < from.length) {
        unsigned tag = from.data[at++], count = (tag >> 2) + 1, offset = 0;

        if ((tag & 3) == 0) {
            unsigned more = count > 60 ? count - 60 : 0;

            for (unsigned i = 0, long_count = 0; i < more; i++) {
                long_count |= (unsigned)from.data[at++] << 8 * i;
                count = long_count + 1;
            }
            if (at + count > from.length)
                return false;
            assert_int_equal(buffer_append(to, slice_of(from.data + at, count)), 0);
            at += count;
            continue;
        }
        if ((tag & 3) == 3)
            return false;
        offset = from.data[at++];
        if ((tag & 3) == 1) {
            count = ((tag >> 2) & 7) + 4;
            offset |= tag >> 5 << 8;
        } else {
            offset |= (unsigned)from.data[at++] << 8;
        }
        if (!offset || offset > to->length)
            return false;
        for (unsigned i = 0; i < count; i++) {
            uint8_t byte = to->data[to->length - offset];

            assert_int_equal(buffer_append(to, slice_of(&byte, 1)), 0);
        }
    }
    return to->length == length;
}

static void check_snappy(struct slice text)
{
    struct buffer small, back;

    buffer_init(&small, 1 << 24);
    buffer_init(&back, 1 << 24);
    assert_int_equal(snappy_compress(text, &small), 0);
    assert_true(expand(buffer_slice(&small), &back));
    assert_int_equal(back.length, text.length);
    if (text.length)
        assert_memory_equal(back.data, text.data, text.length);
    buffer_done(&small);
    buffer_done(&back);
}

static void test_snappy(void **state)
{
    static const size_t lengths[] = {0,    1,     3,     4,     5,     15,     16,
                                     59,   60,    61,    62,    255,   256,    257,
                                     4095, 65535, 65536, 65537, 70000, 131072, 200000};
    uint8_t *text = malloc(200000);

    (void)state;
    for (unsigned alphabet = 1; alphabet <= 256; alphabet *= 4) {
        for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
            for (size_t j = 0; j < lengths[i]; j++)
                text[j] = (uint8_t)(any() % alphabet);
            check_snappy(slice_of(text, lengths[i]));
        }
    }
    for (size_t j = 0; j < 200000; j++) /* repeats at each distance */
        text[j] = (uint8_t)(j < 5000 || any() % 7 == 0 ? any() : text[j - 1 - any() % 4000]);
    check_snappy(slice_of(text, 200000));
    free(text);
}

static void test_snappy_is_bounded(void **state)
{
    struct buffer small;

    (void)state;
    buffer_init(&small, 40);
    assert_int_equal(snappy_compress(slice_of("0123456789012345", 16), &small), -ENOBUFS);
    assert_int_equal(small.length, 0);
    buffer_done(&small);
    buffer_init(&small, 4096);
    allocate_fail_at(1);
    assert_int_equal(snappy_compress(slice_of("0123456789012345", 16), &small), -ENOMEM);
    allocate_fail_at(0);
    buffer_done(&small);
}

/* How many values lie in bucket `index` at `scale`. */
static uint64_t count_of(const double *values, size_t count, int scale, int index)
{
    double low = exp2(ldexp(index, -scale)), high = exp2(ldexp(index + 1, -scale));
    uint64_t found = 0;

    for (size_t i = 0; i < count; i++)
        found += values[i] > low * (1 + 1e-12) && values[i] <= high * (1 + 1e-12);
    return found;
}

static void check_native(const double *values, size_t count)
{
    struct metric_native native;
    uint64_t sum = 0;

    metric_native_init(&native);
    for (size_t i = 0; i < count; i++)
        metric_native_observe(&native, values[i]);
    assert_false(native.is_broken);
    assert_true(native.count <= NATIVE_BUCKETS_MAXIMUM);
    for (unsigned i = 0; i < native.count; i++) {
        assert_int_equal(native.counts[i],
                         count_of(values, count, native.scale, native.first + (int)i));
        sum += native.counts[i];
    }
    assert_int_equal(sum + native.zeros, count);
    metric_native_done(&native);
}

static void test_native(void **state)
{
    static const int widths[] = {0, 1, 5, 18, 21, 40, 100, 600};
    double values[500];

    (void)state;
    for (size_t width = 0; width < sizeof(widths) / sizeof(*widths); width++) {
        for (size_t i = 0; i < 500; i++)
            values[i] = exp2((any() % 10007 / 10007.0 - 0.5) * widths[width] + 0.0123);
        check_native(values, 500);
    }
    for (int i = 0; i < 40; i++) /* powers of two are upper bounds */
        values[i] = ldexp(1, i - 20);
    check_native(values, 40);
    values[0] = 0;
    values[1] = -1;
    values[2] = NAN;
    values[3] = INFINITY;
    check_native(values, 4);
}

static void test_native_without_memory(void **state)
{
    struct metric_native native;

    (void)state;
    metric_native_init(&native);
    metric_native_observe(&native, 1);
    allocate_fail_at(1);
    metric_native_observe(&native, 1e9);
    allocate_fail_at(0);
    assert_true(native.is_broken);
    metric_native_done(&native);
}

/* --- what sinks write ---------------------------------------------------------------------- */
static struct slice message_of(struct slice from, unsigned number, unsigned index)
{
    struct protobuf_field field;

    while (protobuf_take(&from, &field))
        if (field.number == number && index-- == 0)
            return field.bytes;
    return (struct slice){0};
}

static uint64_t number_of(struct slice from, unsigned number)
{
    struct protobuf_field field;

    while (protobuf_take(&from, &field))
        if (field.number == number)
            return field.value;
    return UINT64_MAX;
}

struct encoding {
    const struct sink *sink;
    struct sink_settings *settings;
    struct metrics_moment moment;
    struct buffer output;
    unsigned wanted; /* enum metric_id */
};

static void encode_one(void *context, const struct metric_series *series)
{
    struct encoding *encoding = context;

    if (series->metric == encoding->wanted)
        assert_int_equal(encoding->sink->encode_metric(&encoding->settings->options, series,
                                                       &encoding->moment, &encoding->output),
                         0);
}

static struct metrics *make_metrics(void)
{
    struct slice labels[2] = {SLICE_LITERAL("disk"), SLICE_LITERAL("logged")};
    struct metrics *metrics;

    assert_int_equal(metrics_new(0, &metrics), 0);
    metrics_set(metrics, METRIC_SINK_RECORDS, labels, 42);
    return metrics;
}

static void test_remote_write(void **state)
{
    static const char *const names[] = {"__name__", "instance", "job", "sink", "state"};
    struct metrics *metrics = make_metrics();
    struct encoding encoding = {.sink = &sink_prometheus,
                                .moment = {.now_ns = 5000000000, .start_ns = 1},
                                .wanted = METRIC_SINK_RECORDS};
    struct slice series, sample;

    (void)state;
    assert_int_equal(sink_settings_plain(&sink_prometheus, "http://a", &encoding.settings), 0);
    buffer_init(&encoding.output, 1 << 20);
    metrics_visit(metrics, encode_one, &encoding);
    series = message_of(buffer_slice(&encoding.output), 1, 0);
    for (unsigned i = 0; i < 5; i++)
        assert_true(
            slice_is_equal(message_of(message_of(series, 1, i), 1, 0), slice_of_string(names[i])));
    assert_null(message_of(series, 1, 5).data);
    assert_true(slice_is_equal(message_of(message_of(series, 1, 0), 2, 0),
                               SLICE_LITERAL("weir_sink_records_total")));
    sample = message_of(series, 2, 0);
    assert_int_equal(number_of(sample, 2), 5000);
    assert_int_equal(number_of(sample, 1), 0x4045000000000000u); /* 42 */
    encoding.output.length = 0;
    encoding.moment.is_end = true;
    metrics_visit(metrics, encode_one, &encoding);
    series = message_of(buffer_slice(&encoding.output), 1, 0);
    assert_int_equal(number_of(message_of(series, 2, 0), 1), 0x7ff0000000000002u);
    buffer_done(&encoding.output);
    sink_settings_free(&encoding.settings);
    metrics_free(&metrics);
}

/* Whatever memory there is: a whole payload or none. */
static void test_full_buffer(void **state)
{
    static const struct sink *const sinks[] = {&sink_prometheus, &sink_otlp_metrics};
    struct metrics *metrics = make_metrics();

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct encoding encoding = {.sink = sinks[i],
                                    .moment = {.now_ns = 5000000000, .start_ns = 1},
                                    .wanted = METRIC_SINK_RECORDS};

        assert_int_equal(sink_settings_plain(sinks[i], "http://a", &encoding.settings), 0);
        buffer_init(&encoding.output, 1 << 20);
        metrics_visit(metrics, encode_one, &encoding);
        assert_true(encoding.output.length > 60);
        buffer_done(&encoding.output);
        sink_settings_free(&encoding.settings);
    }
    metrics_free(&metrics);
}

/* An answer that came compressed; cut and damaged, it is none or the same. */
static void test_grpc_compressed(void **state)
{
    struct body_compressor *compressor;
    struct grpc_answer answer;
    struct buffer frame, room;
    struct slice packed, message;

    (void)state;
    buffer_init(&frame, 256);
    buffer_init(&room, 64);
    grpc_forget(&answer);
    assert_int_equal(body_compressor_new("gzip", &compressor), 0);
    assert_int_equal(body_compress(compressor, SLICE_LITERAL("partial success"), &packed), 0);
    assert_int_equal(grpc_frame(packed, true, &frame), 0);
    assert_false(grpc_unframe(&answer, buffer_slice(&frame), &room, &message)); /* no encoding */
    grpc_take_line(&answer, SLICE_LITERAL("grpc-encoding: gzip\r\n"));
    assert_true(grpc_unframe(&answer, buffer_slice(&frame), &room, &message));
    assert_true(slice_is_equal(message, SLICE_LITERAL("partial success")));
    for (size_t i = 1; i < frame.length; i++)
        assert_false(grpc_unframe(&answer, slice_of(frame.data, i), &room, &message));
    for (size_t i = 0; i < 8 * frame.length; i++) {
        frame.data[i / 8] ^= (uint8_t)(1 << i % 8);
        if (grpc_unframe(&answer, buffer_slice(&frame), &room, &message))
            assert_true(message.length <= 256);
        frame.data[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    buffer_done(&room);
    buffer_init(&room, 8); /* too small */
    assert_false(grpc_unframe(&answer, buffer_slice(&frame), &room, &message));
    grpc_take_line(&answer, SLICE_LITERAL("grpc-encoding: lzma"));
    assert_false(grpc_unframe(&answer, buffer_slice(&frame), &room, &message));
    body_compressor_free(&compressor);
    buffer_done(&frame);
    buffer_done(&room);
}

static void test_grpc(void **state)
{
    struct grpc_answer answer;
    struct buffer frame, room;
    struct slice message;

    (void)state;
    grpc_forget(&answer);
    buffer_init(&frame, 64);
    buffer_init(&room, 64);
    assert_int_equal(grpc_frame(SLICE_LITERAL("abc"), true, &frame), 0);
    assert_memory_equal(frame.data, "\1\0\0\0\3abc", 8);
    frame.data[0] = 0;
    assert_true(grpc_unframe(&answer, buffer_slice(&frame), &room, &message));
    assert_true(slice_is_equal(message, SLICE_LITERAL("abc")));
    for (size_t i = 1; i < frame.length; i++)
        assert_false(grpc_unframe(&answer, slice_of(frame.data, i), &room, &message));
    assert_true(grpc_unframe(&answer, slice_of(frame.data, 0), &room, &message));
    buffer_done(&frame);
    grpc_forget(&answer);
    grpc_take_line(&answer, SLICE_LITERAL("Grpc-Status:  14 \r\n"));
    grpc_take_line(&answer, SLICE_LITERAL("grpc-message: away\r\n"));
    grpc_take_line(&answer, SLICE_LITERAL("no colon"));
    assert_int_equal(answer.status, 14);
    assert_string_equal(answer.message, "away");
    assert_int_equal(grpc_retry_ns(""), 0);
    assert_int_equal(grpc_retry_ns("=!"), 0);
    /* code 14, details { RetryInfo { 1 s and 500,000,000 ns } }, with and without padding */
    assert_int_equal(grpc_retry_ns("CA4aNgoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5m"
                                   "bxIKCggIARCAyrXuAQ=="),
                     1500000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snappy),       cmocka_unit_test(test_snappy_is_bounded),
        cmocka_unit_test(test_native),       cmocka_unit_test(test_native_without_memory),
        cmocka_unit_test(test_remote_write), cmocka_unit_test(test_full_buffer),
        cmocka_unit_test(test_grpc),         cmocka_unit_test(test_grpc_compressed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
