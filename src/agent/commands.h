/* commands: what `weir COMMAND` can be. */
#pragma once
#include "config/option.h"
#include "config/usage.h"

enum exit_status {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,      /* while running */
    EXIT_USAGE = 2,       /* wrong usage or configuration */
    EXIT_NOT_ALLOWED = 3, /* the kernel or the privileges do not allow it */
};

struct command {
    const char *name;
    const struct option_table *table; /* NULL: takes no options */
    /* `arguments` ends with NULL and begins behind the command's name. Gives an enum exit_status.
     */
    int (*run)(char *const *arguments);
};

extern const struct command commands[]; /* ends with a NULL name */
/* The same for help texts. */
extern const struct usage_command command_summaries[];

/* NULL when there is none. */
const struct command *command_find(const char *name);
/* Says on stderr that there is no such command, and which was probably meant. EXIT_USAGE. */
int command_refuse(const char *name);

/*
 * Parses `arguments` into `values` (zeroed). True: go on. False: *ret_status is what to exit with;
 * help was printed on stdout or what is wrong on stderr. `ret_origins`: one for each option of the
 * table, or NULL.
 */
bool command_parse(const struct option_table *table, void *values, char *const *arguments,
                   struct option_origin *ret_origins, int *ret_status);

/*
 * Is the text of a filter an expression? EXIT_DONE, or what is wrong is said on stderr, with where
 * it was said ("--filter:") and the column. NULL: yes.
 */
int command_check_filter(const char *place, const char *filter);

int run_command(char *const *arguments);
int read_command(char *const *arguments);
int trace_command(char *const *arguments);
int config_command(char *const *arguments);
int doctor_command(char *const *arguments);
int help_command(char *const *arguments);
/* `weir --man PAGE`: the manual page of "weir" or of a command, from which docs/man is made;
 * "reference" and "ilogtail": parts of docs/. */
int manual_command(char *const *arguments);
