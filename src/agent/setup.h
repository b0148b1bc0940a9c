/* setup: the options of `weir run` from all their origins: defaults, file, variables, arguments. */
#pragma once
#include "agent/observer_setup.h"
#include "config/configuration.h"
#include "config/run_options.h"
#include "refine/rules.h"

struct setup {
    struct run_options options; /* borrows from `configuration`; not to be copied by assignment */
    struct option_origin origins[OPTION_TABLE_MAXIMUM];
    struct configuration *configuration; /* NULL: no file was read */
    struct observer_setup observer;
    const char *path; /* of the file; NULL: none was read */
};

/*
 * A new setup. True: it is complete and right. False: *ret_status is what to exit with; what is
 * wrong was said on stderr, or help on stdout.
 */
bool setup_load(char *const *arguments, struct setup **ret_setup, int *ret_status);
/* The rules, for who makes them. */
struct rules_options setup_rules_of(const struct run_options *options, const char *path);
void setup_free(struct setup **setup);
/* Says what of the fresh options cannot be taken over while weir runs. */
void setup_tell_restart(const struct run_options *old, const struct run_options *fresh);
