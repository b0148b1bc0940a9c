/* protobuf_read: the fields of a message that a receiver answers with, one after the other. Private
 * to sink/. */
#pragma once
#include "base/slice.h"

struct protobuf_field {
    unsigned number, type; /* enum protobuf_type */
    uint64_t value;        /* of varints and fixed ones */
    struct slice bytes;    /* of strings and messages */
};

/* A varint; false: it goes beyond the end. */
bool protobuf_take_number(struct slice *bytes, uint64_t *ret_number);
/* The next field; false: there is none, or the rest is damaged. */
bool protobuf_take(struct slice *message, struct protobuf_field *ret_field);
