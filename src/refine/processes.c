#include "refine/processes.h"
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/allocate.h"

enum { PATH_BYTES = 200, OWNER_BYTES = 40 };

struct process {
    uint32_t pid;
    uint64_t start_time_ns;
    char path[PATH_BYTES];
    char owner[OWNER_BYTES];
};

/* Direct mapped by pid: a newcomer takes the place of another with the same remainder. */
struct processes {
    struct process slots[PROCESSES_MAXIMUM];
};

int processes_new(struct processes **ret_processes)
{
    struct processes *processes = allocate_zeroed(sizeof(*processes));

    if (!processes)
        return -ENOMEM;
    *ret_processes = processes;
    return 0;
}

void processes_free(struct processes **processes)
{
    deallocate(*processes);
    *processes = NULL;
}

/* Field 22 of /proc/PID/stat, in clock ticks since boot: whose number is it now? */
static uint64_t start_time_now(uint32_t pid)
{
    char path[64], text[1024];
    unsigned long long ticks = 0;
    FILE *file;
    size_t length;
    char *at;

    snprintf(path, sizeof(path), "/proc/%u/stat", pid);
    file = fopen(path, "re");
    if (!file)
        return 0;
    length = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[length] = 0;
    at = strrchr(text, ')'); /* the command may hold blanks and parentheses */
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    if (at)
        ticks = strtoull(at, NULL, 10);
    return ticks * (1000000000ull / (uint64_t)sysconf(_SC_CLK_TCK));
}

static void process_look_up(struct process *process, const struct process_identity *identity)
{
    char link[64];
    struct passwd entry, *found = NULL;
    char text[1024];
    ssize_t length = -1;
    uint64_t tick = 1000000000ull / (uint64_t)sysconf(_SC_CLK_TCK);
    uint64_t start = start_time_now(identity->pid);

    process->pid = identity->pid;
    process->start_time_ns = identity->start_time_ns;
    process->path[0] = process->owner[0] = 0;
    /* The kernel rounds down to ticks; another start means that the number was given away. */
    if (start / tick == identity->start_time_ns / tick) {
        snprintf(link, sizeof(link), "/proc/%u/exe", identity->pid);
        length = readlink(link, process->path, sizeof(process->path) - 1);
    }
    process->path[length > 0 ? length : 0] = 0;
    if (getpwuid_r(identity->user_id, &entry, text, sizeof(text), &found) == 0 && found)
        snprintf(process->owner, sizeof(process->owner), "%s", entry.pw_name);
    else
        snprintf(process->owner, sizeof(process->owner), "%u", identity->user_id);
}

void processes_identify(struct processes *processes, const struct process_identity *identity,
                        struct process_details *ret_details)
{
    struct process *process = &processes->slots[identity->pid % PROCESSES_MAXIMUM];

    if (process->pid != identity->pid || process->start_time_ns != identity->start_time_ns)
        process_look_up(process, identity);
    ret_details->executable_path = slice_of_string(process->path);
    ret_details->owner = slice_of_string(process->owner);
}
