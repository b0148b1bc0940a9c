#include "refine/processes.h"
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/allocate.h"
#include "refine/container.h"

enum {
    PATH_BYTES = 200,
    OWNER_BYTES = 40,
    CONTAINER_BYTES = 80,
    RUNTIME_BYTES = 16,
    POD_BYTES = 40,
    CGROUP_TEXT_BYTES = 8192, /* of /proc/PID/cgroup: some lines with one path each */
};

struct process {
    uint32_t pid;
    uint64_t start_time_ns;
    char path[PATH_BYTES];
    char owner[OWNER_BYTES];
    char container_id[CONTAINER_BYTES];
    char container_runtime[RUNTIME_BYTES];
    char pod_uid[POD_BYTES];
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

static void copy_text(char *place, size_t size, struct slice text)
{
    size_t length = text.length < size ? text.length : 0; /* half an id is none */

    memcpy(place, text.data, length);
    place[length] = 0;
}

/* What the cgroup says of container and pod. */
static void container_look_up(struct process *process)
{
    char path[64], text[CGROUP_TEXT_BYTES];
    struct container container;
    FILE *file;
    size_t length;

    snprintf(path, sizeof(path), "/proc/%u/cgroup", process->pid);
    file = fopen(path, "re");
    if (!file)
        return;
    length = fread(text, 1, sizeof(text), file);
    fclose(file);
    if (!container_of_process(slice_of(text, length), &container))
        return;
    copy_text(process->container_id, sizeof(process->container_id), container.id);
    copy_text(process->container_runtime, sizeof(process->container_runtime), container.runtime);
    copy_text(process->pod_uid, sizeof(process->pod_uid), container.pod);
    for (char *at = process->pod_uid; *at; at++)
        if (*at == '_') /* in systemd's paths a dash has a meaning of its own */
            *at = '-';
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
    process->container_id[0] = process->container_runtime[0] = process->pod_uid[0] = 0;
    /* The kernel rounds down to ticks; another start means that the number was given away. */
    if (start / tick == identity->start_time_ns / tick) {
        snprintf(link, sizeof(link), "/proc/%u/exe", identity->pid);
        length = readlink(link, process->path, sizeof(process->path) - 1);
        container_look_up(process);
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
    ret_details->container_id = slice_of_string(process->container_id);
    ret_details->container_runtime = slice_of_string(process->container_runtime);
    ret_details->pod_uid = slice_of_string(process->pod_uid);
}
