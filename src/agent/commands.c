/* commands: the table of commands. */
#include "agent/commands.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "config/arguments.h"
#include "config/config_options.h"
#include "config/doctor_options.h"
#include "config/nearest.h"
#include "config/read_options.h"
#include "config/run_options.h"
#include "config/trace_options.h"
#include "model/query.h"

const struct command commands[] = {
    {"run", &run_option_table, run_command},
    {"read", &read_option_table, read_command},
    {"trace", &trace_option_table, trace_command},
    {"config", &config_option_table, config_command},
    {"doctor", &doctor_option_table, doctor_command},
    {"help", NULL, help_command},
    {NULL, NULL, NULL},
};

const struct usage_command command_summaries[] = {
    {"run", "capture live and log, until interrupted"},
    {"read", "log what capture files hold"},
    {"trace", "show every hop of one request, and what each changed"},
    {"config", "check and show the configuration"},
    {"doctor", "tell what this kernel and these privileges allow"},
    {"help", "explain weir or a command"},
    {NULL, NULL},
};

/* Commands of the contract with the users that do not exist yet. */
static const char *const later[] = {"query", "top", "block", NULL};

const struct command *command_find(const char *name)
{
    for (const struct command *command = commands; command->name; command++) {
        if (strcmp(command->name, name) == 0)
            return command;
    }
    return NULL;
}

int command_refuse(const char *name)
{
    for (const char *const *at = later; *at; at++) {
        if (strcmp(*at, name) == 0) {
            fprintf(stderr, "weir: the command %s is not in this version (" WEIR_VERSION ")\n",
                    name);
            return EXIT_USAGE;
        }
    }
    struct nearest nearest = nearest_begin(name);
    for (const struct command *command = commands; command->name; command++)
        nearest_offer(&nearest, command->name);
    fprintf(stderr, "weir: '%.100s' is no command; ", name);
    if (nearest.name)
        fprintf(stderr, "did you mean %s?\n", nearest.name);
    else
        fputs("weir --help lists them\n", stderr);
    return EXIT_USAGE;
}

bool command_parse(const struct option_table *table, void *values, char *const *arguments,
                   struct option_origin *ret_origins, int *ret_status)
{
    char message[OPTION_MESSAGE_BYTES];
    switch (arguments_parse(table, values, arguments, ret_origins, message)) {
    case ARGUMENTS_OK:
        return true;
    case ARGUMENTS_HELP:
        usage_print_command(table, stdout);
        *ret_status = EXIT_DONE;
        return false;
    case ARGUMENTS_BAD:
        break;
    }
    fprintf(stderr, "weir: %s\n", message);
    *ret_status = EXIT_USAGE;
    return false;
}

int command_check_filter(const char *place, const char *filter)
{
    if (!filter)
        return EXIT_DONE;
    struct query *query = NULL;
    struct query_error error = {0};
    int status = query_compile(slice_of_string(filter), &query, &error);
    query_free(&query);
    if (status == -EINVAL) {
        fprintf(stderr, "weir: %s column %zu: %s\n  %s\n  %*s\n", place, error.column,
                error.message, filter, (int)error.column, "^");
        return EXIT_USAGE;
    }
    if (status < 0) {
        fprintf(stderr, "weir: %s out of memory\n", place);
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}
