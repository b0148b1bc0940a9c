/* usage_parts: what help texts and manual pages have in common. */
#pragma once
#include <stdio.h>
#include "config/option.h"

enum { USAGE_LIMITS_BYTES = 256 };
#define USAGE_PROGRAM_DETAILS                                                                      \
    "weir logs the header elements of this host's HTTP traffic from inside the kernel, without "   \
    "touching the applications. Secrets are masked before they leave the kernel."

/* "One of a, b. Default: a." or an empty text. */
void usage_format_limits(const struct option *option, char text[USAGE_LIMITS_BYTES]);
/* Copies the text up to an empty line; *text moves behind it. The length. */
size_t usage_take_paragraph(const char **text, char *paragraph, size_t size);
/* Text with what means something to man(7) escaped. */
void manual_print_text(FILE *file, const char *text);
/* Fills lines up to 80 columns; the first one starts at `column`, others at `indent`. */
void usage_print_filled(FILE *file, size_t column, size_t indent, const char *text);
