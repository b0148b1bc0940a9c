/* progress: how far a long reading is, as one line on stderr when that is a terminal. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool is_shown; /* stderr is a terminal, and it is wanted */
    bool has_line; /* one is on the screen */
    const char *name;
    uint64_t next_ns; /* when it is shown again */
};

void progress_init(struct progress *progress, bool is_quiet);
/* Another file. The name is borrowed. */
void progress_begin(struct progress *progress, const char *name);
/* Cheap when it was shown lately. `size` 0: unknown. */
void progress_show(struct progress *progress, uint64_t done, uint64_t size, uint64_t packets);
/* Takes the line away, so that something else can be written. */
void progress_clear(struct progress *progress);
