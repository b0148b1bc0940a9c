/* doctor_options: what `weir doctor` was asked to do. */
#pragma once
#include "config/arguments.h"

struct doctor_options {
    const char *format; /* pretty, json */
};

extern const struct option_table doctor_option_table;
