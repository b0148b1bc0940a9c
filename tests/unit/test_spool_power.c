/*
 * test_spool_power: the power fails before every single write, sync, rename and removal that a
 * spool has ever made (in the manner of ALICE), and what was not synced is lost in every way: all
 * of it, data or names alone, torn at sectors, or each sector and name by itself. What was synced
 * is there, what was confirmed does not come again, nothing is invented, and it goes on.
 * WEIR_SPOOL_WHOLE: more than 10,000 operations instead of some hundred.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "tests/lib/spools.h"

enum { ROUNDS = 60, ROUNDS_WHOLE = 1100, SHUFFLES = 3, SHUFFLES_WHOLE = 16, HANDED_MAXIMUM = 24 };

/* What has been said until now, and what was tried. */
struct run {
    uint64_t durable;      /* synced */
    uint64_t acknowledged; /* the receiver has confirmed it */
    uint64_t settled;      /* and the spool knows, durably */
    uint64_t prefixes, cases;
};

static void check_reading(const struct run *run, const struct spools_reading *reading)
{
    assert_false(reading->is_wrong);
    if (reading->count)
        assert_true(reading->first > run->settled);
    if (run->durable <= run->acknowledged)
        return;
    assert_true(reading->count > 0);
    assert_true(reading->first <= run->acknowledged + 1);
    assert_true(reading->last >= run->durable);
    assert_true(!reading->first_gap || reading->first_gap > run->durable);
}

static void check_loss(const struct model *before, const struct run *run, enum model_loss loss,
                       uint64_t random)
{
    struct model *model = model_copy(before);
    struct spools_reading reading, again;
    struct spool_counters counters;
    struct spool *spool;

    model->random = random;
    model_fail(model, loss);
    spool = spools_open(model, &spools_usual);
    reading = spools_read(spool, 0);
    check_reading(run, &reading);
    spool_count(spool, &counters);
    /* Of what was not synced some may be there behind a hole. */
    assert_true(counters.damaged <=
                (reading.last > run->durable ? reading.last - run->durable : 0));
    assert_true(spool_next_sequence(spool) > run->durable);
    assert_int_equal(spools_append(spool, spool_next_sequence(spool), 3), 0);
    assert_int_equal(spool_sync(spool), 0);
    assert_int_equal(spools_read(spool, reading.last).count, 3);
    /* And once more, before anything was confirmed. */
    model->stop_at = model->operations + 1;
    spool_close(&spool);
    model_fail(model, loss);
    spool = spools_open(model, &spools_usual);
    again = spools_read(spool, 0);
    check_reading(run, &again);
    assert_true(again.count >= reading.count + 3);
    spool_close(&spool);
    model_free(&model);
}

/* The power fails here. */
static void on_operation(struct model *model, void *context)
{
    struct run *run = context;
    unsigned shuffles = spools_are_whole() ? SHUFFLES_WHOLE : SHUFFLES;

    run->prefixes++;
    for (int loss = 0; loss < MODEL_REORDERED; loss++, run->cases++)
        check_loss(model, run, (enum model_loss)loss, 0);
    for (unsigned i = 0; i < shuffles; i++, run->cases++)
        check_loss(model, run, MODEL_REORDERED, run->prefixes * 1000 + i + 1);
}

/* The receiver takes some. */
static void confirm(struct spool *spool, struct run *run, uint64_t *handed)
{
    struct sink_entry entries[HANDED_MAXIMUM];
    ssize_t count = spool_read(spool, *handed, entries, HANDED_MAXIMUM, 2000);

    assert_true(count >= 0);
    if (count)
        *handed = entries[count - 1].sequence;
    run->acknowledged = *handed;
    assert_int_equal(spool_acknowledge(spool, *handed), 0);
    run->settled = *handed;
}

/* Appends, syncs, reads and acknowledges, now more, now less. */
static void play(struct model *model, struct run *run, unsigned rounds)
{
    struct spool *spool = spools_open(model, &spools_usual);
    uint64_t next = spool_next_sequence(spool), handed = 0;

    for (unsigned round = 0; round < rounds; round++) {
        size_t count = 1 + round % 5;

        assert_int_equal(spools_append(spool, next, count), 0);
        assert_int_equal(spool_sync(spool), 0);
        next += count;
        run->durable = next - 1;
        for (unsigned reads = round % 60 < 30 ? round % 3 == 2 : 2; reads; reads--)
            confirm(spool, run, &handed);
        if (round % 97 == 96) { /* a restart */
            spool_close(&spool);
            spool = spools_open(model, &spools_usual);
        }
    }
    spool_close(&spool);
}

static void test_power_failures(void **state)
{
    struct model *model = model_new();
    struct run run = {0};

    (void)state;
    model->on_operation = on_operation;
    model->context = &run;
    play(model, &run, spools_are_whole() ? ROUNDS_WHOLE : ROUNDS);
    assert_int_equal(run.prefixes, model->operations);
    assert_true(run.prefixes > (spools_are_whole() ? 10000 : 200));
    print_message("%llu operations, %llu power failures, %llu records: nothing synced was lost\n",
                  (unsigned long long)run.prefixes, (unsigned long long)run.cases,
                  (unsigned long long)run.durable);
    model_free(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_failures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
