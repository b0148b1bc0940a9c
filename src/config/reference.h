/* reference: pages of docs/ that are made from the option tables, in Markdown. */
#pragma once
#include "config/usage.h"

/* docs/configuration.md. `sinks`: the sections of weir-sinks(8). */
void reference_print_configuration(const struct option_table *run,
                                   const struct usage_sections *sinks, FILE *file);
/* The table in docs/ilogtail.md: parameter, type, default, what weir does. */
void reference_print_observer(FILE *file);
