/* units: numbers with units, as people write them. Each: 0, -EINVAL (no such number) or -ERANGE. */
#pragma once
#include <stddef.h>
#include <stdint.h>

int units_parse_number(const char *text, uint64_t *ret_number);
/* Bytes. Units: B, K KB KiB, M MB MiB, G GB GiB, any case, all of them powers of 1024. */
int units_parse_size(const char *text, uint64_t *ret_bytes);
/* Nanoseconds. Units: ns us ms s m h d, may be chained (1h30m); a bare number is seconds. */
int units_parse_duration(const char *text, uint64_t *ret_ns);

/* The shortest exact text: "64KiB", "1500ms"; at most 31 characters and a NUL. */
void units_format_size(uint64_t bytes, char text[32]);
void units_format_duration(uint64_t ns, char text[32]);
