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

/* A page about settings that stand in blocks of the configuration (config/blocks.h). */
struct usage_section {
    const char *title, *help;
    const char *target;                   /* the option that TYPE=TARGET sets; NULL: none */
    const struct option_table *tables[4]; /* the first NULL ends them */
};

struct usage_sections {
    const char *name, *summary, *details, *examples; /* as in an option table */
    size_t count;
    const struct usage_section *sections;
};

void usage_print_sections(const struct usage_sections *page, FILE *file);
void usage_print_sections_page(const struct usage_sections *page, FILE *file);
