/* help_command: `weir help`, and the generator of the manual pages. */
#include <stdio.h>
#include <string.h>
#include "agent/commands.h"
#include "agent/sinks_page.h"
#include "config/reference.h"

int help_command(char *const *arguments)
{
    if (!arguments[0] || arguments[0][0] == '-') {
        usage_print_program(command_summaries, stdout);
        return EXIT_DONE;
    }
    if (strcmp(arguments[0], "sinks") == 0) {
        sinks_page_print(stdout);
        return EXIT_DONE;
    }
    const struct command *command = command_find(arguments[0]);
    if (!command)
        return command_refuse(arguments[0]);
    if (command->table)
        usage_print_command(command->table, stdout);
    else
        usage_print_program(command_summaries, stdout);
    return EXIT_DONE;
}

int manual_command(char *const *arguments)
{
    const char *name = arguments[0] ? arguments[0] : "weir";
    if (strcmp(name, "weir") == 0) {
        usage_print_program_page(command_summaries, stdout);
        return EXIT_DONE;
    }
    if (strcmp(name, "sinks") == 0) {
        sinks_page_print_manual(stdout);
        return EXIT_DONE;
    }
    if (strcmp(name, "reference") == 0) {
        sinks_page_print_reference(stdout);
        return EXIT_DONE;
    }
    if (strcmp(name, "ilogtail") == 0) {
        reference_print_observer(stdout);
        return EXIT_DONE;
    }
    const struct command *command = command_find(name);
    if (!command || !command->table)
        return command_refuse(name);
    usage_print_command_page(command->table, stdout);
    return EXIT_DONE;
}
