/*
 * selection.h: whose connections are looked at, as user space has said it; it may say otherwise at
 * any time (see struct weir_selections).
 */
#pragma once
#include "bpf/direct.h"

static __always_inline const struct weir_selection *selection_now(void)
{
    return &weir_selections.copies[weir_selections.generation & 1];
}

static __always_inline bool selection_has_addresses(void)
{
    const struct weir_selection *selection = selection_now();

    return selection->with_address_filter | selection->with_address_exclusion;
}

/* Are both ends of a connection within this host looked at, and one of them logged? */
static __always_inline bool may_be_paired(void)
{
    const struct weir_selection *selection = selection_now();

    return !selection->with_both_sides && !selection->with_process_filter &&
           !selection->with_cgroup_filter;
}

static __always_inline void process_read(struct weir_process *process)
{
    struct task_struct *task = (void *)bpf_get_current_task();

    process->process_id = bpf_get_current_pid_tgid() >> 32;
    process->user_id = (__u32)bpf_get_current_uid_gid();
    process->start_time_ns = BPF_CORE_READ(task, group_leader, start_boottime);
    BPF_CORE_READ_INTO(&process->command, task, group_leader, comm);
}

/* Has user space said so of this process, and is it still the same: pid not reused, no exec? */
static __noinline bool process_is_ignored(__u32 process_id)
{
    const struct weir_process *ignored = bpf_map_lookup_elem(&weir_ignored, &process_id);
    struct task_struct *task = (void *)bpf_get_current_task();
    const __u64 *then;
    __u64 now[2]; /* no more: the stack below weir_call is short */

    if (!ignored || ignored->start_time_ns != BPF_CORE_READ(task, group_leader, start_boottime))
        return false;
    BPF_CORE_READ_INTO(&now, task, group_leader, comm);
    then = (const __u64 *)ignored->command;
    return then[0] == now[0] && then[1] == now[1];
}

/*
 * Is the current task in that cgroup or below it? Tracing programs may ask the kernel only since
 * 5.12 or so; before 6.1 its own list can be read.
 */
static __always_inline bool cgroup_holds(const struct weir_cgroup *cgroup)
{
    struct task_struct *task = (void *)bpf_get_current_task();
    struct cgroup___before_6_1 *own = (void *)BPF_CORE_READ(task, cgroups, dfl_cgrp);
    __u64 id = 0;

    if (!bpf_core_field_exists(own->ancestor_ids))
        return bpf_get_current_cgroup_id() == cgroup->id ||
               bpf_get_current_ancestor_cgroup_id(cgroup->level) == cgroup->id;
    if (cgroup->level > BPF_CORE_READ(own, level))
        return false;
    bpf_probe_read_kernel(&id, sizeof(id),
                          (void *)own + bpf_core_field_offset(own->ancestor_ids) +
                              cgroup->level * sizeof(id));
    return id == cgroup->id;
}

/* The same by direct reads, for kernels since 6.2. */
static __always_inline bool cgroup_holds_directly(const struct weir_cgroup *cgroup)
{
    __u64 set = KERNEL_FIELD(bpf_get_current_task(), struct task_struct, cgroups, true);
    __u64 own = KERNEL_FIELD(set, struct css_set, dfl_cgrp, true), node;

    node = KERNEL_FIELD(own, struct cgroup, kn, true);
    if (KERNEL_FIELD(node, struct kernfs_node, id, true) == cgroup->id)
        return true; /* levels are counted from the root that user space sees */
    if (cgroup->level > (__u32)KERNEL_FIELD(own, struct cgroup, level, true))
        return false;
    own = kernel_word(
        own + bpf_core_field_offset(struct cgroup, ancestors) + cgroup->level * sizeof(own), true);
    node = KERNEL_FIELD(own, struct cgroup, kn, true);
    return KERNEL_FIELD(node, struct kernfs_node, id, true) == cgroup->id;
}

/* Of the directories that hold the current task one must be wanted and none excluded. */
static __always_inline bool cgroups_allow(bool is_direct)
{
    const struct weir_selection *selection = selection_now();
    bool is_wanted = !selection->with_cgroup_filter;

    for (__u32 i = 0; i < WEIR_CGROUPS_MAXIMUM && i < selection->cgroup_count; i++) {
        const struct weir_cgroup *cgroup = &selection->cgroups[i];

        if (is_direct ? !cgroup_holds_directly(cgroup) : !cgroup_holds(cgroup))
            continue;
        if (cgroup->is_excluded)
            return false;
        is_wanted = true;
    }
    return is_wanted;
}

static __noinline bool cgroup_is_wanted(void)
{
    return cgroups_allow(false);
}

static __always_inline bool process_is_wanted(__u32 process_id)
{
    const struct weir_selection *selection = selection_now();

    if (process_id == weir_settings.own_process)
        return false;
    if (selection->with_process_filter && !bpf_map_lookup_elem(&weir_processes, &process_id))
        return false;
    if (selection->cgroup_count && !cgroup_is_wanted())
        return false;
    return !process_is_ignored(process_id);
}
