/*
 * attributes: a few fields of a record that sinks need beside the encoded record, for labels, keys,
 * topics: each is a length of one byte, the field's name, a length of two bytes, the value.
 */
#pragma once
#include "base/buffer.h"

enum { ATTRIBUTE_VALUE_MAXIMUM = 1024 /* what is longer is cut */ };

/* 0, -ENOBUFS or -ENOMEM; then nothing was added. */
int attributes_add(struct buffer *buffer, const char *name, struct slice value);
/* The value of that name; data NULL: there is none. */
struct slice attributes_find(struct slice attributes, struct slice name);
/* The next one, from *at on; false: there is none. */
bool attributes_next(struct slice attributes, size_t *at, struct slice *ret_name,
                     struct slice *ret_value);
