/* usage: help texts and manual pages, made from the option tables. */
#pragma once
#include <stdio.h>
#include "config/option.h"

struct usage_command {
    const char *name;
    const char *summary;
};

/* `weir COMMAND --help`. */
void usage_print_command(const struct option_table *table, FILE *file);
/* `weir --help`: the commands, ending with a NULL name. */
void usage_print_program(const struct usage_command *commands, FILE *file);

/* The same as manual pages (man(7) macros). */
void usage_print_command_page(const struct option_table *table, FILE *file);
void usage_print_program_page(const struct usage_command *commands, FILE *file);
