/* run_command: `weir run`. Everything that can be wrong in the arguments is said here, before
 * capture. */
#include <stdio.h>
#include "agent/commands.h"
#include "agent/pipeline.h"
#include "config/run_options.h"

int run_command(char *const *arguments)
{
    static struct run_options options; /* large, and points into itself */
    char message[OPTION_MESSAGE_BYTES];
    int status;
    if (!command_parse(&run_option_table, &options, arguments, &status))
        return status;
    if (run_options_resolve(&options, message) < 0) {
        fprintf(stderr, "weir: %s\n", message);
        return EXIT_USAGE;
    }
    status = command_check_filter(options.filter);
    if (status != EXIT_DONE)
        return status;
    if (options.is_masking_disabled)
        fputs("weir: warning: masking is off (--no-mask): passwords, tokens and cookies are logged "
              "in clear\n",
              stderr);
    return pipeline_run(&options);
}
