/* trace_options: the option table of `weir trace`. */
#pragma once
#include "config/option.h"

struct trace_options {
    const char *format;
    const char *colour;
    struct operand_list operands; /* the id, then files */
};

extern const struct option_table trace_option_table;
