/*
 * talk: plays a conversation of one connection on the feeder of fed_records.h, piece by piece, for
 * the tests of a parser.
 */
#pragma once
#include "tests/lib/fed_records.h"

static inline void talk_begin(void)
{
    assert_int_equal(feeder_init(&feeder, NULL), 0);
    feeder_open(&feeder);
}

static inline enum direction talk_direction(char way)
{
    return way == '>' ? DIRECTION_A_TO_B : DIRECTION_B_TO_A;
}

static inline void talk_say(char way, const void *bytes, size_t length)
{
    feeder_send_copy(&feeder, talk_direction(way), slice_of(bytes, length));
}

#define TALK(way, literal) talk_say(way, literal, sizeof(literal) - 1)

/* Bytes of that direction go by unseen. */
static inline void talk_pass(char way, uint64_t count)
{
    feeder_pass(&feeder, talk_direction(way), count);
}

/* Bytes of that direction are lost. */
static inline void talk_lose(char way, uint64_t count)
{
    feeder.positions[talk_direction(way)] += count;
}

static inline void talk_close(void)
{
    feeder_close(&feeder);
    assert_true(feeder_is_balanced(&feeder));
}

static inline void talk_expect_count(size_t count)
{
    if (feeder.record_count != count)
        fail_msg("%zu records, expected %zu", feeder.record_count, count);
}

static inline void talk_done(void)
{
    feeder_done(&feeder);
}
