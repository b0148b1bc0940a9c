/*
 * talk: plays a conversation of one connection and describes the records in one line each, for the
 * tests of a parser. Fields are asked for by name.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "tests/lib/feeder.h"

#define BIT(flag) (1u << RECORD_FLAG_##flag)

static struct feeder talk;

static inline void talk_begin(void)
{
    assert_int_equal(feeder_init(&talk, NULL), 0);
    feeder_open(&talk);
}

static inline void talk_say(char way, const void *bytes, size_t length)
{
    uint8_t *copy = malloc(length ? length : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, length);
    feeder_send(&talk, way == '>' ? DIRECTION_A_TO_B : DIRECTION_B_TO_A, slice_of(copy, length));
    free(copy);
}

#define TALK(way, literal) talk_say(way, literal, sizeof(literal) - 1)

/* Bytes of that direction go by unseen. */
static inline void talk_pass(char way, uint64_t count)
{
    enum direction direction = way == '>' ? DIRECTION_A_TO_B : DIRECTION_B_TO_A;
    talk.positions[direction] += count;
    struct stream_data data = {.connection = 1,
                               .direction = direction,
                               .time_ns = talk.time_ns += 1000,
                               .end_position = talk.positions[direction]};
    talk.listener.on_data(talk.listener.context, &data);
}

static inline void talk_close(void)
{
    feeder_close(&talk);
    assert_true(feeder_is_balanced(&talk));
}

static inline void talk_expect(size_t index, const char *field, const char *expected)
{
    assert_true(index < talk.record_count);
    char *value = feeder_value(talk.records[index], field);
    if ((!value) != (!expected) || (value && expected && strcmp(value, expected) != 0))
        fail_msg("record %zu %s: %s, expected %s", index, field, value ? value : "(absent)",
                 expected ? expected : "(absent)");
    free(value);
}

static inline void talk_expect_flags(size_t index, uint32_t flags)
{
    assert_true(index < talk.record_count);
    if (talk.records[index]->flags != flags)
        fail_msg("record %zu has flags %x, expected %x", index, talk.records[index]->flags, flags);
}

static inline void talk_expect_count(size_t count)
{
    if (talk.record_count != count)
        fail_msg("%zu records, expected %zu", talk.record_count, count);
}

static inline void talk_done(void)
{
    feeder_done(&talk);
}

static inline int talk_finish(void **state)
{
    (void)state;
    record_pool_done();
    return 0;
}
