/*
 * one_record: a fixture for tests of what is made of a record: one masked record without fields,
 * and a buffer for its encoded form.
 */
#pragma once
#include "base/buffer.h"
#include "model/record.h"

extern struct record *record;
extern struct buffer output;

/* cmocka's set-up and tear-down; both return 0. */
int one_record_set_up(void **state);
int one_record_tear_down(void **state);
/* An empty record instead of the one before, not masked. */
void one_record_renew(void);
/* Adds a header to a list of headers; `name` and `value` must outlive the record. */
void one_record_add_header(enum field_id field, struct slice name, struct slice value);
