/* fed_records: a feeder and what is expected of the records that come out of it, for tests. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "encode/encoder.h"
#include "encode/otlp.h"
#include "tests/lib/feeder.h"

#define BIT(flag) (1u << RECORD_FLAG_##flag)

static struct feeder feeder;

/* A whole conversation on connection 1; whatever the feeder had before is gone. */
static inline void play(const struct feeder_step *steps)
{
    assert_int_equal(feeder_init(&feeder, NULL), 0);
    feeder_play(&feeder, steps, NULL, NULL);
    assert_true(feeder_is_balanced(&feeder));
}

#define PLAY(...) play((const struct feeder_step[]){__VA_ARGS__, {0, NULL, 0}})

/* The field as text; `expected` NULL: it is absent. */
static inline void expect(size_t index, const char *field, const char *expected)
{
    assert_true(index < feeder.record_count);
    char *value = feeder_value(feeder.records[index], field);
    if ((!value) != (!expected) || (value && expected && strcmp(value, expected) != 0))
        fail_msg("record %zu %s: %s, expected %s", index, field, value ? value : "(absent)",
                 expected ? expected : "(absent)");
    free(value);
}

static inline void expect_flags(size_t index, uint32_t flags)
{
    assert_true(index < feeder.record_count);
    if (feeder.records[index]->flags != flags)
        fail_msg("record %zu has flags %x, expected %x", index, feeder.records[index]->flags,
                 flags);
}

/* The record as a line of JSON; to free(). */
static inline char *line_of(const struct record *record)
{
    static const struct encoder_options options = {0};
    struct buffer text;
    char *line;

    buffer_init(&text, 1 << 20);
    assert_int_equal(encoder_json.encode(record, &options, &text), 0);
    line = strndup((const char *)text.data, text.length);
    buffer_done(&text);
    return line;
}

/* How long the attributes are; those of the same values may stand in another order. */
static inline size_t attributes_length_of(const struct record *record)
{
    static const char owner; /* the encoder that keeps its texts */
    struct writer writer;
    struct buffer bytes;
    size_t length;

    buffer_init(&bytes, 1 << 20);
    writer = writer_begin(&bytes);
    otlp_put_attributes(&writer, 1, record, &owner);
    assert_int_equal(writer.error, 0);
    length = bytes.length;
    buffer_done(&bytes);
    return length;
}

/* Each attribute is told once: alone the same values make as many bytes. */
static inline void expect_same_attributes(struct record *record)
{
    struct common_place places[COMMON_VALUES_OF_RECORD];
    size_t length = attributes_length_of(record);

    memcpy(places, record->commons, sizeof(places));
    memset(record->commons, 0, sizeof(places));
    assert_int_equal(length, attributes_length_of(record));
    memcpy(record->commons, places, sizeof(places));
}

/* The line is the one that the same values make when no other record shares them. */
static inline void expect_alike(struct record *record)
{
    char *line = line_of(record), *alone;

    for (size_t i = 0; i < COMMON_VALUES_OF_RECORD; i++)
        common_values_unref(&record->commons[i].common);
    alone = line_of(record);
    assert_string_equal(line, alone);
    free(line);
    free(alone);
}
