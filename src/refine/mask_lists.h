/* mask_lists: the words behind mask_patterns; docs/masking.md gives the reasons. */
#pragma once
#include <stddef.h>

/* A header name that contains one of these holds a secret. NULL-terminated. */
extern const char *const mask_header_parts[];

/*
 * Standard headers that match a part by accident or hold long random text that is no secret.
 * Sorted.
 */
extern const char *const mask_harmless_headers[];
extern const size_t mask_harmless_header_count;

/*
 * Names of query, form and path parameters whose values are secret, canonical ('-' for '_').
 * Sorted.
 */
extern const char *const mask_parameters[];
extern const size_t mask_parameter_count;

/*
 * A parameter name of four bytes or more that contains one of these is secret, too. NULL-
 * terminated.
 */
extern const char *const mask_parameter_parts[];
