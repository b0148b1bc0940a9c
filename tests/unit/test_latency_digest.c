/* latency_digest: exact ends, small errors, merging, the bytes, memory that fails. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "base/allocate.h"
#include "refine/latency_digest.h"

enum { VALUES = 100000 };

static uint64_t random_state;

static double random_share(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (double)(random_state >> 11) / 9007199254740992.0;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

/* Which share of the sorted values is below this one? */
static double rank_of(const double *values, size_t count, double value)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (values[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return (double)low / (double)count;
}

/* Long tails, as latencies have them. */
static double value_of(int shape)
{
    double share = random_share();

    switch (shape) {
    case 0:
        return 1000 * share;
    case 1:
        return -log(1 - share) * 1e6;
    case 2:
        return 1e5 / pow(1 - share, 1.5);
    default:
        return share < 0.5 ? 1e3 : 1e9 * share; /* half of them are equal */
    }
}

static void expect_shares(struct latency_digest *digest, const double *values)
{
    static const double shares[] = {0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999};

    for (size_t i = 0; i < sizeof(shares) / sizeof(*shares); i++) {
        double q = shares[i], found = latency_digest_quantile(digest, q);
        double below = rank_of(values, VALUES, found * (1 - 1e-12));
        double above = rank_of(values, VALUES, found * (1 + 1e-12));
        double error = below > q ? below - q : above < q ? q - above : 0;

        assert_true(error <= 0.0005 + 0.03 * sqrt(q * (1 - q)));
    }
}

static void quantiles_are_near(void **state)
{
    double *values = calloc(VALUES, sizeof(*values));

    (void)state;
    for (int shape = 0; shape < 4; shape++) {
        struct latency_digest digest = {0}, parts[10] = {{0}}, whole = {0};

        for (size_t i = 0; i < VALUES; i++) {
            values[i] = value_of(shape);
            assert_int_equal(latency_digest_add(&digest, values[i]), 0);
            assert_int_equal(latency_digest_add(&parts[i % 10], values[i]), 0);
        }
        qsort(values, VALUES, sizeof(*values), compare);
        expect_shares(&digest, values);
        for (int i = 0; i < 10; i++)
            assert_int_equal(latency_digest_merge(&whole, &parts[i]), 0);
        expect_shares(&whole, values);
        assert_true(whole.weight == VALUES);
        assert_true(latency_digest_quantile(&whole, 0) == values[0]);
        assert_true(latency_digest_quantile(&whole, 1) == values[VALUES - 1]);
        assert_true(whole.count <= LATENCY_DIGEST_COMPRESSION);
        for (int i = 0; i < 10; i++)
            latency_digest_done(&parts[i]);
        latency_digest_done(&digest);
        latency_digest_done(&whole);
    }
    free(values);
}

/* Sorted and reversed values are as good as any others. */
static void order_does_not_matter(void **state)
{
    (void)state;
    for (int is_down = 0; is_down < 2; is_down++) {
        struct latency_digest digest = {0};

        for (int i = 0; i < VALUES; i++)
            assert_int_equal(latency_digest_add(&digest, is_down ? VALUES - 1 - i : i), 0);
        assert_true(fabs(latency_digest_quantile(&digest, 0.5) - VALUES / 2.0) < VALUES * 0.01);
        assert_true(fabs(latency_digest_quantile(&digest, 0.99) - VALUES * 0.99) < VALUES * 0.003);
        latency_digest_done(&digest);
    }
}

static uint64_t word_at(const uint8_t *bytes, int length)
{
    uint64_t word = 0;

    for (int i = 0; i < length; i++)
        word = word << 8 | bytes[i];
    return word;
}

static double double_at(const uint8_t *bytes)
{
    uint64_t bits = word_at(bytes, 8);
    double number;

    memcpy(&number, &bits, sizeof(number));
    return number;
}

static void bytes_are_those_of_the_library(void **state)
{
    uint8_t bytes[LATENCY_DIGEST_BYTES_MAXIMUM];
    struct latency_digest digest = {0};

    (void)state;
    assert_int_equal(latency_digest_write(&digest, bytes), 32);
    assert_int_equal(word_at(bytes + 28, 4), 0);
    assert_int_equal(latency_digest_add(&digest, 387138), 0);
    assert_int_equal(latency_digest_add(&digest, 12), 0);
    assert_int_equal(latency_digest_write(&digest, bytes), 32 + 2 * 16);
    assert_int_equal(word_at(bytes, 4), 1);
    assert_true(double_at(bytes + 4) == 12 && double_at(bytes + 12) == 387138);
    assert_true(double_at(bytes + 20) == LATENCY_DIGEST_COMPRESSION);
    assert_int_equal(word_at(bytes + 28, 4), 2);
    assert_true(double_at(bytes + 32) == 1 && double_at(bytes + 40) == 12);
    assert_true(double_at(bytes + 48) == 1 && double_at(bytes + 56) == 387138);
    latency_digest_clear(&digest);
    assert_true(latency_digest_quantile(&digest, 0.5) == 0);
    latency_digest_done(&digest);
}

static void no_memory_adds_nothing(void **state)
{
    struct latency_digest digest = {0};

    (void)state;
    allocate_fail_at(1);
    assert_int_not_equal(latency_digest_add(&digest, 5), 0);
    assert_true(digest.count == 0 && digest.weight == 0);
    assert_int_equal(latency_digest_add(&digest, 5), 0);
    assert_true(latency_digest_quantile(&digest, 0.5) == 5);
    latency_digest_done(&digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_near),
        cmocka_unit_test(order_does_not_matter),
        cmocka_unit_test(bytes_are_those_of_the_library),
        cmocka_unit_test(no_memory_adds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
