/*
 * identity: what a process is - executable, cgroups, parent, command line - read in the kernel when
 * the process is first heard of, since it may be gone when user space looks. It is told once; exec
 * (task_struct.self_exec_id, kernel 5.7), another cgroup and another process of the same number
 * (start time) are new identities.
 */
#pragma once
#include "bpf/emit.h"

enum {
    EXECUTABLE_STEPS = 40, /* names and mount points of a path */
    CGROUP_STEPS = 16,
    EXECUTABLE_ROOM = WEIR_EXECUTABLE_BYTES - WEIR_NAME_ROOM,
    CGROUP_ROOM = WEIR_CGROUP_BYTES - WEIR_NAME_ROOM,
};

/* Appends a name to texts[0..at), whose room is a power of two. The new length. */
static __always_inline __u32 name_add(char *texts, __u32 at, __u32 room, const void *name)
{
    __u64 place = at;
    long length;

    BOUND(place);
    place &= room - 1;
    length = bpf_probe_read_kernel_str(texts + place, WEIR_NAME_ROOM, name);
    return length > 0 ? at + length : at;
}

/* As /proc/PID/exe shows it: up to the root of its mounts. */
static __always_inline void executable_read(struct weir_event_identity *event, struct mm_struct *mm)
{
    struct file *file = BPF_CORE_READ(mm, exe_file);
    struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry), *parent;
    struct mount *mount = (void *)BPF_CORE_READ(file, f_path.mnt), *above;
    __u32 at = 0, nothing = event->head.length; /* 0, see FORGET */

    if (!file)
        return;
    mount = (void *)mount - bpf_core_field_offset(struct mount, mnt);
    event->is_deleted = !BPF_CORE_READ(dentry, d_hash.pprev);
    event->is_executable_cut = 1;
#pragma clang loop unroll(disable)
    for (int i = 0; i < EXECUTABLE_STEPS; i++) {
        if (dentry == BPF_CORE_READ(mount, mnt.mnt_root)) {
            above = BPF_CORE_READ(mount, mnt_parent);
            if (above == mount) {
                event->is_executable_cut = 0;
                break;
            }
            dentry = BPF_CORE_READ(mount, mnt_mountpoint);
            mount = above;
            continue;
        }
        if (at >= EXECUTABLE_ROOM)
            break;
        at = name_add(event->executable, at, EXECUTABLE_ROOM, BPF_CORE_READ(dentry, d_name.name));
        FORGET(at, nothing);
        parent = BPF_CORE_READ(dentry, d_parent);
        if (parent == dentry) { /* in no file system's tree, such as memfd_create's */
            event->is_executable_cut = 0;
            break;
        }
        dentry = parent;
    }
    event->executable_length = at;
}

static __always_inline struct kernfs_node *node_above(struct kernfs_node *node)
{
    struct kernfs_node___before_6_15 *old = (void *)node;

    if (bpf_core_field_exists(old->parent))
        return BPF_CORE_READ(old, parent);
    return BPF_CORE_READ(node, __parent);
}

/* The names below the hierarchy's root. Their length. */
static __always_inline __u32 cgroup_read(struct weir_event_identity *event, char *names,
                                         struct cgroup *cgroup)
{
    struct kernfs_node *node = BPF_CORE_READ(cgroup, kn), *above;
    __u32 at = 0, nothing = event->head.length;

#pragma clang loop unroll(disable)
    for (int i = 0; i < CGROUP_STEPS; i++) {
        above = node_above(node);
        if (!above)
            return at;
        if (at >= CGROUP_ROOM)
            break;
        at = name_add(names, at, CGROUP_ROOM, BPF_CORE_READ(node, name));
        FORGET(at, nothing);
        node = above;
    }
    event->is_cgroup_cut = 1;
    return at;
}

#define CONTROLLER_CGROUP(set, controller)                                                         \
    (bpf_core_enum_value_exists(enum cgroup_subsys_id, controller)                                 \
         ? controller_cgroup(set, bpf_core_enum_value(enum cgroup_subsys_id, controller))          \
         : NULL)

static __always_inline struct cgroup *controller_cgroup(struct css_set *set, __u64 controller)
{
    struct cgroup_subsys_state *state = NULL;

    bpf_probe_read_kernel(&state, sizeof(state),
                          (void *)set + bpf_core_field_offset(struct css_set, subsys) +
                              controller * sizeof(void *));
    return BPF_CORE_READ(state, cgroup);
}

/* The unified hierarchy's, and where controllers have hierarchies of their own, one of theirs. */
static __always_inline void cgroups_read(struct weir_event_identity *event, struct css_set *set)
{
    struct cgroup *unified = BPF_CORE_READ(set, dfl_cgrp), *own;
    void *root = BPF_CORE_READ(unified, root);

    event->cgroup_id = BPF_CORE_READ(unified, kn, id);
    event->cgroup_length = cgroup_read(event, event->cgroup, unified);
    own = CONTROLLER_CGROUP(set, memory_cgrp_id);
    if (!own || BPF_CORE_READ(own, root) == root)
        own = CONTROLLER_CGROUP(set, pids_cgrp_id);
    if (!own || BPF_CORE_READ(own, root) == root)
        own = CONTROLLER_CGROUP(set, devices_cgrp_id);
    if (own && BPF_CORE_READ(own, root) != root)
        event->controller_length = cgroup_read(event, event->controller, own);
}

static __always_inline void command_line_read(struct weir_event_identity_long *event,
                                              struct mm_struct *mm)
{
    __u64 start = BPF_CORE_READ(mm, arg_start), length = BPF_CORE_READ(mm, arg_end) - start;

    event->identity.is_command_line_cut = length > WEIR_COMMAND_LINE_BYTES;
    if (length > WEIR_COMMAND_LINE_BYTES)
        length = WEIR_COMMAND_LINE_BYTES;
    BOUND(length);
    if (!length || length > WEIR_COMMAND_LINE_BYTES ||
        bpf_probe_read_user(event->command_line, length, (void *)start))
        return;
    event->identity.command_line_length = length;
}

static __always_inline void identity_read(struct weir_event_identity *event,
                                          struct task_struct *leader, struct mm_struct *mm)
{
    struct pid *pid = BPF_CORE_READ(leader, thread_pid);
    __u32 level = BPF_CORE_READ(pid, level), own_id = 0;

    bpf_probe_read_kernel(&own_id, sizeof(own_id),
                          (void *)pid + bpf_core_field_offset(struct pid, numbers) +
                              level * bpf_core_type_size(struct upid));
    event->own_id = own_id;
    event->parent_id = BPF_CORE_READ(leader, real_parent, tgid);
    executable_read(event, mm);
    cgroups_read(event, BPF_CORE_READ(leader, cgroups));
}

/* Tells the reader. False: the ring is full. */
static __always_inline bool identity_tell(const struct told *told, __u32 process_id,
                                          struct task_struct *leader, struct mm_struct *mm)
{
    struct weir_counters *counters = counters_get();
    struct weir_event_identity *event;

    if (!counters)
        return false;
    if (weir_settings.with_command_line)
        event = bpf_ringbuf_reserve(&weir_ring, sizeof(struct weir_event_identity_long), 0);
    else
        event = bpf_ringbuf_reserve(&weir_ring, sizeof(*event), 0);
    if (!event) {
        count_loss(WEIR_LOSS_RING_FULL, 0, 0);
        return false;
    }
    __builtin_memset(event, 0, __builtin_offsetof(struct weir_event_identity, executable));
    event->head.type = WEIR_EVENT_IDENTITY;
    event->head.connection = told->identity;
    event->head.time_ns = bpf_ktime_get_ns();
    event->start_time_ns = told->start_time_ns;
    event->process_id = process_id;
    asm volatile("" ::: "memory"); /* what is 0 there is read again, and then not known to be */
    identity_read(event, leader, mm);
    if (weir_settings.with_command_line)
        command_line_read((struct weir_event_identity_long *)event, mm);
    bpf_ringbuf_submit(event, wakeup_flag(counters));
    return true;
}

/* The number of the current process's identity, told when it was not; 0: that was not possible. */
__noinline __u64 weir_identify(void)
{
    struct task_struct *task = (void *)bpf_get_current_task();
    struct task_struct *leader = BPF_CORE_READ(task, group_leader);
    __u32 process_id = bpf_get_current_pid_tgid() >> 32;
    struct told *known, told;
    struct mm_struct *mm;

    mm = BPF_CORE_READ(task, mm);
    told.start_time_ns = BPF_CORE_READ(leader, start_boottime);
    told.exec_count = BPF_CORE_READ(leader, self_exec_id);
    told.cgroups = (__u64)BPF_CORE_READ(leader, cgroups);
    known = bpf_map_lookup_elem(&weir_told, &process_id);
    if (known && known->start_time_ns == told.start_time_ns &&
        ((known->exec_count == told.exec_count && known->cgroups == told.cgroups) || !mm))
        return known->identity;
    if (!mm) /* it is about to end, or a kernel thread: nothing is left to read */
        return 0;
    told.identity = bpf_ktime_get_ns() << 8 | (bpf_get_smp_processor_id() & 0xff);
    if (!identity_tell(&told, process_id, leader, mm))
        return 0;
    bpf_map_update_elem(&weir_told, &process_id, &told, BPF_ANY);
    return told.identity;
}
