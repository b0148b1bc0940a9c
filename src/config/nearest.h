/* nearest: the valid name that a mistyped one probably meant. */
#pragma once
#include <stddef.h>

/* Edits (insert, delete, replace a character) that make `b` of `a`; ASCII case is ignored. */
size_t nearest_distance(const char *a, const char *b);

struct nearest {
    const char *wanted;
    const char *name; /* the best so far; NULL: none is near enough */
    size_t distance;
};
/* Begins a search for `wanted`; each candidate is then offered once. */
struct nearest nearest_begin(const char *wanted);
void nearest_offer(struct nearest *nearest, const char *candidate);
