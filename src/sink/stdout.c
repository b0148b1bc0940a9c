/*
 * stdout: records to file descriptor 1. A reader that went away is told as -EPIPE, never as a
 * signal.
 */
#include <unistd.h>
#include "sink/descriptor.h"

static int stdout_open(const struct sink_options *options, void **ret_context,
                       char message[SINK_MESSAGE_BYTES])
{
    (void)options;
    (void)message;
    *ret_context = NULL;
    return 0;
}

static int stdout_send(void *context, struct sink_batch *batch)
{
    size_t torn;

    (void)context;
    return descriptor_explain(
        batch, "stdout",
        descriptor_write_entries(STDOUT_FILENO, batch->entries, batch->count, &torn));
}

static void stdout_close(void *context)
{
    (void)context;
}

const struct sink sink_stdout = {
    .name = "stdout",
    .help = "Standard output.",
    .format = "json",
    .is_stream = true,
    .open = stdout_open,
    .send = stdout_send,
    .close = stdout_close,
};
