/*
 * routes: a path becomes a template, so that paths with ids in them are one: segments that are
 * numbers, UUIDs, long hexadecimal or mixed tokens, e-mail addresses or very long are replaced by
 * {id}; so is everything behind the eighth segment.
 */
#pragma once
#include "base/slice.h"

enum { ROUTE_BYTES = 128, ROUTE_SEGMENTS_MAXIMUM = 8 };

/* `path` without query. The template's length, at most ROUTE_BYTES. */
size_t route_of_path(struct slice path, char route[ROUTE_BYTES]);
