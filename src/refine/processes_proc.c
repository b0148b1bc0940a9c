#include "refine/processes_proc.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "refine/container.h"

/* The file's bytes; 0: it is not there. */
static size_t file_read(uint32_t pid, const char *name, char *text, size_t size)
{
    char path[64];
    FILE *file;
    size_t length;

    snprintf(path, sizeof(path), "/proc/%u/%s", pid, name);
    file = fopen(path, "re");
    if (!file)
        return 0;
    length = fread(text, 1, size, file);
    fclose(file);
    return length;
}

/* Fields 4 and 22 of /proc/PID/stat: the parent, and the start in clock ticks since boot. */
static uint64_t stat_read(uint32_t pid, uint32_t *ret_parent)
{
    char text[1024];
    size_t length = file_read(pid, "stat", text, sizeof(text) - 1);
    unsigned long long ticks = 0;
    char *at;

    text[length] = 0;
    at = strrchr(text, ')'); /* the command may hold blanks and parentheses */
    for (int field = 2; at && field < 22; field++) {
        at = strchr(at + 1, ' ');
        if (at && field == 3)
            *ret_parent = (uint32_t)strtoul(at, NULL, 10);
    }
    if (at)
        ticks = strtoull(at, NULL, 10);
    return ticks;
}

/* The line of the unified hierarchy, and the first of the others that names a container. */
static void cgroups_read(struct slice text, struct process_description *process)
{
    struct container container;

    while (text.length) {
        size_t length = slice_find(text, '\n'), first, second;
        struct slice line = slice_part(text, 0, length), path;

        first = slice_find(line, ':');
        path = slice_part(line, first + 1, SIZE_MAX);
        second = slice_find(path, ':');
        path = slice_part(path, second + 1, SIZE_MAX);
        if (slice_is_equal(slice_part(line, 0, 3), SLICE_LITERAL("0::")))
            process->cgroup = path;
        else if (!process->controller.length && container_of_cgroup(path, &container))
            process->controller = path;
        text = slice_part(text, length + 1, SIZE_MAX);
    }
}

void processes_proc_read(const struct process_identity *identity, struct proc_texts *texts,
                         struct process_description *ret_process)
{
    uint64_t tick_ns = 1000000000ull / (uint64_t)sysconf(_SC_CLK_TCK);
    char link[64];
    ssize_t length;

    *ret_process = (struct process_description){
        .pid = identity->pid,
        .own_pid = identity->pid,
        .start_time_ns = identity->start_time_ns,
    };
    /* The kernel rounds down to ticks; another start means that the number was given away. */
    if (stat_read(identity->pid, &ret_process->parent_pid) != identity->start_time_ns / tick_ns) {
        ret_process->parent_pid = 0;
        return;
    }
    snprintf(link, sizeof(link), "/proc/%u/exe", identity->pid);
    length = readlink(link, texts->executable, sizeof(texts->executable));
    if (length > 0 && (size_t)length < sizeof(texts->executable))
        ret_process->executable_path = slice_of(texts->executable, (size_t)length);
    cgroups_read(slice_of(texts->cgroups, file_read(identity->pid, "cgroup", texts->cgroups,
                                                    sizeof(texts->cgroups))),
                 ret_process);
}
