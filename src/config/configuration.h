/*
 * configuration: options from a YAML file (YAML 1.1, by libyaml). Keys are the long names of the
 * options; a mapping joins its key and those inside with a dash, so that `mask: {name: x}` is
 * `mask-name: x`. An unknown key is an error.
 */
#pragma once
#include <stdio.h>
#include "config/option.h"

#define CONFIGURATION_PATH "/etc/weir/weir.yaml"

/* Owns the texts that options borrow from the file. */
struct configuration;

/*
 * Sets the options of `values` that have no better origin than the file. `origins`: one for each
 * option of the table; updated. 0 and a new configuration, which must outlive the values; or -errno
 * of a file that cannot be read, -EINVAL for one that is wrong, with a message that names file,
 * line, column, key, and what is allowed.
 */
int configuration_read(const struct option_table *table, void *values,
                       struct option_origin origins[], const char *path,
                       struct configuration **ret_configuration,
                       char message[OPTION_MESSAGE_BYTES]);
void configuration_free(struct configuration **configuration);

/* The effective options as YAML, each with a comment that says where it comes from. */
void configuration_show(const struct option_table *table, const void *values,
                        const struct option_origin origins[], const char *path, FILE *file);
/* An example: every option, commented out, with its default and what it means. */
void configuration_print_example(const struct option_table *table, FILE *file);
