#include "track/process_fields.h"

static void add_copy(struct record *record, enum field_id field, struct slice text)
{
    struct slice copy = text.length ? arena_copy(record->arena, text) : text;

    if (copy.length)
        record_add_text(record, field, copy);
    else if (text.length)
        record_set_flag(record, RECORD_FLAG_TRUNCATED);
}

static void add_positive(struct record *record, enum field_id field, uint64_t number)
{
    if (number)
        record_add_number(record, field, number);
}

static struct slice command_of(const struct process_identity *process)
{
    return slice_of(process->command, strnlen(process->command, sizeof(process->command)));
}

void process_fields_add(struct record *record, const struct process_identity *process,
                        const struct process_details *details)
{
    record_add_number(record, FIELD_PROCESS_PID, process->pid);
    add_copy(record, FIELD_PROCESS_COMMAND, command_of(process));
    if (!details)
        return;
    add_copy(record, FIELD_PROCESS_EXECUTABLE_PATH, details->executable_path);
    add_copy(record, FIELD_PROCESS_OWNER, details->owner);
    add_positive(record, FIELD_PROCESS_PARENT_PID, details->parent_pid);
    add_positive(record, FIELD_PROCESS_VPID, details->own_pid);
    add_positive(record, FIELD_PROCESS_CREATION_TIME, details->started_ns);
    add_copy(record, FIELD_PROCESS_COMMAND_LINE, details->command_line);
    add_copy(record, FIELD_PROCESS_LINUX_CGROUP, details->cgroup);
    add_copy(record, FIELD_CONTAINER_ID, details->container_id);
    add_copy(record, FIELD_CONTAINER_RUNTIME, details->container_runtime);
    add_copy(record, FIELD_K8S_POD_UID, details->pod_uid);
}

void process_fields_add_peer(struct record *record, const struct process_identity *process,
                             const struct process_details *details)
{
    record_add_number(record, FIELD_PEER_PROCESS_PID, process->pid);
    add_copy(record, FIELD_PEER_PROCESS_COMMAND, command_of(process));
    add_copy(record, FIELD_PEER_PROCESS_EXECUTABLE_PATH, details->executable_path);
    add_copy(record, FIELD_PEER_PROCESS_OWNER, details->owner);
    add_copy(record, FIELD_PEER_CONTAINER_ID, details->container_id);
}
