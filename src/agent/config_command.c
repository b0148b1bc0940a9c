/* config_command: `weir config check|show|example`. */
#include <stdio.h>
#include <string.h>
#include "agent/commands.h"
#include "agent/setup.h"
#include "base/allocate.h"
#include "config/config_options.h"

enum { ARGUMENTS_MAXIMUM = 256 };

static int check(const struct setup *setup)
{
    if (setup->path)
        printf("%s: ok\n", setup->path);
    else
        puts("no configuration file (" CONFIGURATION_PATH "): defaults, variables and arguments "
             "are ok");
    return EXIT_DONE;
}

static int show(const struct setup *setup)
{
    configuration_show(&run_option_table, &setup->options, setup->origins, setup->path, stdout);
    return EXIT_DONE;
}

static int refuse(const char *action)
{
    fprintf(stderr, "weir: %s%.100s%s; say check, show or example\n",
            action ? "config: '" : "config: what shall be done", action ? action : "",
            action ? "' is no action" : "");
    return EXIT_USAGE;
}

/* `check FILE` is `check --config FILE`. The rest is as for `weir run`. */
static int with_setup(char *const *arguments, int (*action)(const struct setup *))
{
    char *rewritten[ARGUMENTS_MAXIMUM + 3];
    char option[] = "--config";
    struct setup *setup = NULL;
    size_t count = 0;
    int status;

    if (*arguments && (*arguments)[0] != '-')
        rewritten[count++] = option;
    while (*arguments && count < ARGUMENTS_MAXIMUM)
        rewritten[count++] = *arguments++;
    rewritten[count] = NULL;
    arguments_tell_strange_variables(&run_option_table, stderr);
    if (!setup_load(rewritten, &setup, &status))
        return status;
    status = action(setup);
    setup_free(&setup);
    return status;
}

int config_command(char *const *arguments)
{
    const char *action = arguments[0];

    if (action && (strcmp(action, "--help") == 0 || strcmp(action, "-h") == 0)) {
        usage_print_command(&config_option_table, stdout);
        return EXIT_DONE;
    }
    if (action && strcmp(action, "example") == 0) {
        configuration_print_example(&run_option_table, stdout);
        return EXIT_DONE;
    }
    if (action && strcmp(action, "check") == 0)
        return with_setup(arguments + 1, check);
    if (action && strcmp(action, "show") == 0)
        return with_setup(arguments + 1, show);
    return refuse(action);
}
