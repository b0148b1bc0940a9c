/*
 * json_scan: just enough of JSON (RFC 8259) to read what receivers answer: walks, copies nothing,
 * and goes no deeper than a limit.
 */
#pragma once
#include "base/slice.h"

/* The value of the object's member of that name, with its quotes if it is a string; data NULL:
 * there is none, or this is no object. */
struct slice json_member(struct slice object, const char *name);
/* The next element of an array; *at begins as 0. False: there is none. */
bool json_next(struct slice array, size_t *at, struct slice *ret_value);
/* The first member of an object, whatever its name. */
struct slice json_first_member(struct slice object);
/* A number without sign; `otherwise` when it is none. */
uint64_t json_number(struct slice value, uint64_t otherwise);
/* What is inside a string's quotes, escapes as they are; empty when it is none. */
struct slice json_text(struct slice value);
