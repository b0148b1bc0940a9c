/* arguments: fills a command's options from WEIR_* variables, then from its arguments, which win.
 */
#pragma once
#include <stdio.h>
#include "config/option.h"

enum arguments_verdict {
    ARGUMENTS_OK,
    ARGUMENTS_HELP, /* --help or -h: the caller prints help and ends with status 0 */
    ARGUMENTS_BAD,  /* message names the option, what is allowed, and the nearest valid name */
};

/*
 * `values`: the command's options structure, zeroed; defaults are set first. `arguments` ends with
 * NULL and does not hold the command's name. Texts are borrowed. `ret_origins`: one for each option
 * of the table; may be NULL.
 */
enum arguments_verdict arguments_parse(const struct option_table *table, void *values,
                                       char *const *arguments, struct option_origin *ret_origins,
                                       char message[OPTION_MESSAGE_BYTES]);

/* The variable that sets the option: WEIR_HEAD_LIMIT for head-limit. */
/* Says of each variable that is nearly one of an option's, and none, which one may be meant. */
void arguments_tell_strange_variables(const struct option_table *table, FILE *file);
void arguments_variable_name(const struct option *option, char name[64]);
