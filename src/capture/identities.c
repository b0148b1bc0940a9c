/* identities: what the kernel found out of a process (struct weir_event_identity), as paths. */
#include <time.h>
#include <bpf/bpf.h>
#include "capture/program.h"

enum { PATH_ROOM = WEIR_EXECUTABLE_BYTES + WEIR_NAME_ROOM };

/* Writes "/first/second" from "second\0first\0". */
static struct slice path_of(const char *names, size_t length, char path[PATH_ROOM])
{
    size_t at = PATH_ROOM, start = 0;

    while (start < length) {
        size_t end = start + strnlen(names + start, length - start);

        if (at < end - start + 1)
            break;
        at -= end - start;
        memcpy(path + at, names + start, end - start);
        path[--at] = '/';
        start = end + 1;
    }
    return slice_of(path + at, PATH_ROOM - at);
}

static struct slice command_line_of(const struct weir_event_identity *event, size_t size,
                                    char *text)
{
    const struct weir_event_identity_long *longer = (const void *)event;
    size_t length = event->command_line_length;

    if (size < sizeof(*longer) || length > sizeof(longer->command_line))
        return (struct slice){NULL, 0};
    memcpy(text, longer->command_line, length);
    while (length && !text[length - 1])
        length--;
    for (size_t i = 0; i < length; i++)
        if (!text[i])
            text[i] = ' ';
    return slice_of(text, length);
}

/* What to add to a time since boot. */
static uint64_t boot_offset(void)
{
    struct timespec wall, boot;

    clock_gettime(CLOCK_BOOTTIME, &boot);
    clock_gettime(CLOCK_REALTIME, &wall);
    return (uint64_t)(wall.tv_sec - boot.tv_sec) * 1000000000ull +
           (uint64_t)(wall.tv_nsec - boot.tv_nsec);
}

void identities_handle(struct capture *capture, const struct weir_event_identity *event,
                       size_t size)
{
    static const char deleted[] = " (deleted)"; /* as in /proc/PID/exe */
    char executable[PATH_ROOM + sizeof(deleted)], cgroup[PATH_ROOM], controller[PATH_ROOM];
    char command_line[WEIR_COMMAND_LINE_BYTES];
    struct process_description process = {
        .number = event->head.connection,
        .pid = event->process_id,
        .own_pid = event->own_id,
        .parent_pid = event->parent_id,
        .start_time_ns = event->start_time_ns,
        .started_ns = event->start_time_ns + boot_offset(),
        .command_line = command_line_of(event, size, command_line),
    };

    if (!capture->on_process)
        return;
    if (!event->is_executable_cut && event->executable_length <= sizeof(event->executable))
        process.executable_path = path_of(event->executable, event->executable_length, executable);
    if (process.executable_path.length && event->is_deleted) {
        memcpy(executable + PATH_ROOM, deleted, sizeof(deleted) - 1);
        process.executable_path.length += sizeof(deleted) - 1;
    }
    if (!event->is_cgroup_cut && event->cgroup_length <= sizeof(event->cgroup) &&
        event->controller_length <= sizeof(event->controller)) {
        process.cgroup = event->cgroup_length ? path_of(event->cgroup, event->cgroup_length, cgroup)
                                              : SLICE_LITERAL("/");
        process.controller = path_of(event->controller, event->controller_length, controller);
    }
    capture->on_process(capture->process_context, &process);
}

void capture_forget_process(struct capture *capture, uint32_t pid)
{
    bpf_map_delete_elem(bpf_map__fd(capture->skeleton->maps.weir_told), &pid);
}
