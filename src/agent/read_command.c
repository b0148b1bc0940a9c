/* read_command: `weir read`. Everything that can be wrong in the arguments is said here, before the
 * first file is opened. */
#include <stdio.h>
#include "agent/commands.h"
#include "agent/delivery.h"
#include "agent/observer_setup.h"
#include "agent/read_pipeline.h"

int read_command(char *const *arguments)
{
    static struct read_options options; /* large, and points into itself */
    static struct observer_setup observer;
    char message[OPTION_MESSAGE_BYTES];
    int status;

    if (!command_parse(&read_option_table, &options, arguments, NULL, &status))
        return status;
    if (observer_setup_read(&observer, &options, message) < 0 ||
        read_options_resolve(&options, message) < 0 ||
        delivery_check_sinks(&options.sinks, NULL, message) < 0) {
        fprintf(stderr, "weir: %s\n", message);
        return EXIT_USAGE;
    }
    status = command_check_filter("--filter:", options.filter);
    if (status != EXIT_DONE)
        return status;
    if (options.is_masking_disabled)
        fputs("weir: warning: masking is off (--no-mask): passwords, tokens and cookies are logged "
              "in clear\n",
              stderr);
    status = read_pipeline_run(&options);
    observer_setup_done(&observer);
    return status;
}
