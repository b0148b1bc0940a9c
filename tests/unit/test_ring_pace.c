/* test_ring_pace: sleeps between two looks at the ring: their bounds, and what work makes of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "capture/ring_pace.h"

enum { US = 1000, MS = 1000000 };

/* So many looks at work that comes at that speed: ns of work for each ns. The sum of all work. */
static uint64_t run(struct ring_pace *pace, double load, unsigned looks)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < looks; i++) {
        uint64_t work = (uint64_t)((double)pace->sleep_ns * load);

        ring_pace_look(pace, work, 1);
        sum += work;
    }
    return sum;
}

/* Little to do: the user's interval. Much: pieces of the aimed size, but not below a millisecond.
 */
static void test_load(void **state)
{
    struct ring_pace pace;

    (void)state;
    ring_pace_start(&pace, 5 * MS);
    assert_int_equal(pace.sleep_ns, 5 * MS);
    run(&pace, 0.001, 10);
    assert_int_equal(pace.sleep_ns, 5 * MS);
    run(&pace, 0.05, 10);
    assert_in_range(pace.sleep_ns, 29 * MS / 10, 31 * MS / 10);
    run(&pace, 0.14, 10);
    assert_in_range(pace.sleep_ns, 1 * MS, 11 * MS / 10);
    run(&pace, 0.5, 10);
    assert_int_equal(pace.sleep_ns, 1 * MS);
    run(&pace, 3, 10);
    assert_int_equal(pace.sleep_ns, 1 * MS);
    run(&pace, 0, 10);
    assert_int_equal(pace.sleep_ns, 5 * MS);
}

/* A single burst is followed by the shortest sleep, and the interval comes back. */
static void test_burst(void **state)
{
    struct ring_pace pace;

    (void)state;
    ring_pace_start(&pace, 5 * MS);
    ring_pace_look(&pace, 20 * MS, 1);
    assert_int_equal(pace.sleep_ns, 1 * MS);
    assert_false(ring_pace_is_idle(&pace));
    ring_pace_look(&pace, 10 * US, 1);
    assert_int_equal(pace.sleep_ns, 5 * MS);
}

/* Nothing to do: twice as long each time, as far as the longest; then the first thing is awake. */
static void test_idle(void **state)
{
    struct ring_pace pace;

    (void)state;
    ring_pace_start(&pace, 5 * MS);
    ring_pace_look(&pace, 10 * US, 0);
    assert_int_equal(pace.sleep_ns, 10 * MS);
    assert_true(ring_pace_is_idle(&pace));
    for (int i = 0; i < 10; i++)
        ring_pace_look(&pace, 10 * US, 0);
    assert_int_equal(pace.sleep_ns, RING_PACE_IDLE_NS);
    ring_pace_look(&pace, 10 * US, 1);
    assert_int_equal(pace.sleep_ns, 5 * MS);
    assert_false(ring_pace_is_idle(&pace));
}

/* The user's interval is the longest sleep under load, and where it is short the only one. */
static void test_interval(void **state)
{
    static const uint64_t intervals[] = {100 * US, 500 * US, 1 * MS, 2 * MS, 50 * MS};
    struct ring_pace pace;

    (void)state;
    for (size_t i = 0; i < sizeof(intervals) / sizeof(*intervals); i++) {
        uint64_t shortest = intervals[i] < MS ? intervals[i] : MS;

        ring_pace_start(&pace, intervals[i]);
        run(&pace, 0, 3);
        assert_int_equal(pace.sleep_ns, intervals[i]);
        run(&pace, 0.9, 9);
        assert_int_equal(pace.sleep_ns, shortest);
        for (int j = 0; j < 20; j++) {
            ring_pace_look(&pace, 0, 0);
            assert_in_range(pace.sleep_ns, shortest, RING_PACE_IDLE_NS);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_burst),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_interval),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
