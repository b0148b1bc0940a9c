/*
 * stdout: chunks to file descriptor 1. A reader that went away is told as -EPIPE, never as a
 * signal.
 */
#include <unistd.h>
#include "contract/sink.h"
#include "sink/descriptor.h"

static int stdout_open(const struct sink_options *options, void **ret_context)
{
    (void)options;
    *ret_context = NULL;
    return 0;
}

static int stdout_write(void *context, struct slice chunk, size_t *ret_written)
{
    (void)context;
    return descriptor_write(STDOUT_FILENO, chunk, ret_written);
}

static void stdout_close(void *context)
{
    (void)context;
}

const struct sink sink_stdout = {
    .name = "stdout",
    .open = stdout_open,
    .write = stdout_write,
    .close = stdout_close,
};
