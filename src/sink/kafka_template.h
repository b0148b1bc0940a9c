/*
 * kafka_template: text with fields in it, such as "weir-{type}", of which topics and keys are made.
 * Values from traffic keep letters, digits, '.', '_' and '-'; each other byte becomes '_'.
 */
#pragma once
#include "contract/sink.h"

enum { KAFKA_TEMPLATE_PARTS = 8 };

struct kafka_template_part {
    struct slice text;
    enum field_id field; /* FIELD_COUNT: the text */
};

struct kafka_template {
    size_t count;
    struct kafka_template_part parts[KAFKA_TEMPLATE_PARTS];
};

/* The text is borrowed. 0, or -EINVAL and a message. */
int kafka_template_make(const char *text, struct kafka_template *ret_template,
                        char message[SINK_MESSAGE_BYTES]);
/* Adds the fields that it needs to the `count` there are. How many there are now. */
size_t kafka_template_fields(const struct kafka_template *template, enum field_id *fields,
                             size_t count);
/* Its text for the entry, with an end, cut to size - 1 bytes. How long it is. */
size_t kafka_template_fill(const struct kafka_template *template, const struct sink_entry *entry,
                           char *text, size_t size);
