#include "agent/progress.h"
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { INTERVAL_NS = 200 * 1000 * 1000, MIB = 1024 * 1024 };

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

void progress_init(struct progress *progress, bool is_quiet)
{
    *progress = (struct progress){.is_shown = !is_quiet && isatty(STDERR_FILENO)};
}

void progress_begin(struct progress *progress, const char *name)
{
    progress->name = name;
    if (progress->is_shown && !progress->next_ns) /* many small files take long, too */
        progress->next_ns = now_ns() + INTERVAL_NS;
}

void progress_show(struct progress *progress, uint64_t done, uint64_t size, uint64_t packets)
{
    uint64_t time_ns;

    if (!progress->is_shown)
        return;
    time_ns = now_ns();
    if (time_ns < progress->next_ns)
        return;
    progress->next_ns = time_ns + INTERVAL_NS;
    progress->has_line = true;
    fprintf(stderr, "\r\033[Kweir: %.60s: ", progress->name);
    if (size)
        fprintf(stderr, "%" PRIu64 " %% of %" PRIu64 " MiB", done * 100 / size, size / MIB);
    else
        fprintf(stderr, "%" PRIu64 " MiB", done / MIB);
    fprintf(stderr, ", %" PRIu64 " packets", packets);
}

void progress_clear(struct progress *progress)
{
    if (progress->has_line)
        fputs("\r\033[K", stderr);
    progress->has_line = false;
}
