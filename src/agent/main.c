/* main: finds the command and runs it. */
#include <stdio.h>
#include <string.h>
#include "agent/commands.h"

int main(int count, char **arguments)
{
    if (count < 1)
        return EXIT_USAGE;
    char *const *rest = arguments + 1;
    const char *first = *rest;
    if (!first)
        return run_command(rest);
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0)
        return help_command(rest + 1);
    if (strcmp(first, "--version") == 0 || strcmp(first, "-V") == 0) {
        puts("weir " WEIR_VERSION);
        return EXIT_DONE;
    }
    if (strcmp(first, "--man") == 0)
        return manual_command(rest + 1);
    if (first[0] == '-')
        return run_command(rest);
    const struct command *command = command_find(first);
    return command ? command->run(rest + 1) : command_refuse(first);
}
