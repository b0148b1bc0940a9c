/* run_command: `weir run`. Everything that can be wrong in the options is said before capture. */
#include <stdio.h>
#include "agent/commands.h"
#include "agent/pipeline.h"
#include "agent/setup.h"

int run_command(char *const *arguments)
{
    struct setup *setup = NULL;
    int status;

    if (!setup_load(arguments, &setup, &status))
        return status;
    if (setup->options.is_masking_disabled)
        fputs("weir: warning: masking is off (--no-mask): passwords, tokens and cookies are logged "
              "in clear\n",
              stderr);
    status = pipeline_run(&setup, arguments);
    setup_free(&setup);
    return status;
}
