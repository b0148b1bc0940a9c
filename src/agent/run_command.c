/* run_command: `weir run`. Everything that can be wrong in the arguments is said here, before
 * capture. */
#include <errno.h>
#include <stdio.h>
#include "agent/commands.h"
#include "agent/pipeline.h"
#include "config/run_options.h"
#include "model/query.h"

/* Is --filter an expression? Says on stderr where it is not. */
static int check_filter(const struct run_options *options)
{
    if (!options->filter)
        return EXIT_DONE;
    struct query *query = NULL;
    struct query_error error = {0};
    int status = query_compile(slice_of_string(options->filter), &query, &error);
    query_free(&query);
    if (status == -EINVAL) {
        fprintf(stderr, "weir: --filter: column %zu: %s\n  %s\n  %*s\n", error.column,
                error.message, options->filter, (int)error.column, "^");
        return EXIT_USAGE;
    }
    if (status < 0) {
        fputs("weir: --filter: out of memory\n", stderr);
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}

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
    status = check_filter(&options);
    if (status != EXIT_DONE)
        return status;
    if (options.is_masking_disabled)
        fputs("weir: warning: masking is off (--no-mask): passwords, tokens and cookies are logged "
              "in clear\n",
              stderr);
    return pipeline_run(&options);
}
