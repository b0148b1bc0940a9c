/*
 * tcp_living: TCP sockets that live, looked at when user space asks for it (bpf_iter, kernel 5.9).
 * Sockets of all network namespaces are found by the files of all processes, which tells whose they
 * are too; what is told of them is written into the reader's file, not into the ring.
 */
#include "bpf/socket_life.h"

enum { FILE_KIND = 0170000, FILE_IS_SOCKET = 0140000, SOCKET_IS_STREAM = 1 };

/* The TCP socket of a file, or NULL. */
static __always_inline struct sock *socket_of_file(struct file *file)
{
    struct socket *socket = BPF_CORE_READ(file, private_data);
    struct sock *sk;

    if ((BPF_CORE_READ(file, f_inode, i_mode) & FILE_KIND) != FILE_IS_SOCKET)
        return NULL;
    sk = BPF_CORE_READ(socket, sk);
    if (!sk || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP ||
        BPF_CORE_READ(sk, sk_type) != SOCKET_IS_STREAM)
        return NULL;
    return sk;
}

static __always_inline void listener_note(struct sock *sk)
{
    struct listener key = {.network_namespace = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum),
                           .port = BPF_CORE_READ(sk, __sk_common.skc_num)};
    __u8 one = 1;

    bpf_map_update_elem(&weir_listeners, &key, &one, BPF_ANY);
}

/* As cgroup_holds, of any task. */
static __always_inline bool task_is_in(struct task_struct *task, const struct weir_cgroup *cgroup)
{
    struct cgroup *own = BPF_CORE_READ(task, cgroups, dfl_cgrp), *ancestor = NULL;
    struct cgroup___before_6_1 *old = (void *)own;
    __u64 id = 0;

    if (cgroup->level > BPF_CORE_READ(own, level))
        return false;
    if (bpf_core_field_exists(old->ancestor_ids)) {
        bpf_probe_read_kernel(&id, sizeof(id),
                              (void *)own + bpf_core_field_offset(old->ancestor_ids) +
                                  cgroup->level * sizeof(id));
        return id == cgroup->id;
    }
    bpf_probe_read_kernel(&ancestor, sizeof(ancestor),
                          (void *)own + bpf_core_field_offset(own->ancestors) +
                              cgroup->level * sizeof(ancestor));
    return BPF_CORE_READ(ancestor, kn, id) == cgroup->id;
}

static __noinline bool task_cgroup_is_wanted(struct task_struct *task)
{
    const struct weir_selection *selection = selection_now();
    bool is_wanted = !selection->with_cgroup_filter;

    for (__u32 i = 0; i < WEIR_CGROUPS_MAXIMUM && i < selection->cgroup_count; i++) {
        const struct weir_cgroup *cgroup = &selection->cgroups[i];

        if (!task_is_in(task, cgroup))
            continue;
        if (cgroup->is_excluded)
            return false;
        is_wanted = true;
    }
    return is_wanted;
}

/* As process_is_wanted, of any task. */
static __always_inline bool task_is_wanted(struct task_struct *task,
                                           const struct weir_process *process)
{
    const struct weir_selection *selection = selection_now();
    const struct weir_process *ignored;
    __u32 process_id = process->process_id;

    if (process_id == weir_settings.own_process)
        return false;
    if (selection->with_process_filter && !bpf_map_lookup_elem(&weir_processes, &process_id))
        return false;
    if (selection->cgroup_count && !task_cgroup_is_wanted(task))
        return false;
    ignored = bpf_map_lookup_elem(&weir_ignored, &process_id);
    return !ignored || ignored->start_time_ns != process->start_time_ns;
}

static __always_inline void task_read(struct task_struct *task, struct weir_process *process)
{
    const struct told *known;
    __u32 process_id = BPF_CORE_READ(task, tgid);

    process->process_id = process_id;
    process->user_id = BPF_CORE_READ(task, cred, uid.val);
    process->start_time_ns = BPF_CORE_READ(task, group_leader, start_boottime);
    BPF_CORE_READ_INTO(&process->command, task, group_leader, comm);
    known = bpf_map_lookup_elem(&weir_told, &process_id);
    process->identity = known && known->start_time_ns == process->start_time_ns ? known->identity
                                                                                : 0;
}

/* One that closes meanwhile may leave its entry behind; weir_socket_round finds that. */
SEC("iter/task_file")
int weir_socket_survey(struct bpf_iter__task_file *context)
{
    struct task_struct *task = context->task;
    struct file *file = context->file;
    struct weir_process process = {};
    struct socket_life *life;
    struct sock *sk;
    __u8 state;

    if (!task || !file)
        return 0;
    sk = socket_of_file(file);
    if (!sk)
        return 0;
    state = BPF_CORE_READ(sk, __sk_common.skc_state);
    if (state == TCP_LISTEN)
        listener_note(sk);
    if (state == TCP_LISTEN || state == TCP_CLOSE || state == TCP_NEW_SYN_RECV)
        return 0;
    life = life_get(sk);
    if (!life)
        return 0;
    if (!life->state_count) {
        state_add(life, state);
        life->is_surveyed = 1;
    }
    if (life->is_known)
        return 0;
    task_read(task, &process);
    life->process = process;
    life->is_wanted = task_is_wanted(task, &process);
    life->is_known = 1;
    return 0;
}

/* Whatever changes changes this. */
static __always_inline __u64 sum_of(const struct weir_event_socket *event)
{
    return (__u64)event->segments_in + event->segments_out + event->retransmitted +
           event->bytes_received + event->bytes_sent + event->state_count + event->resets_sent +
           event->resets_received;
}

/*
 * A socket's memory stays that of a TCP socket while the table is walked (SLAB_TYPESAFE_BY_RCU),
 * and whatever lies there is read with care. One that was closed when its end could not be seen,
 * two rounds long, is told as its address only, with WEIR_EVENT_CLOSE: the reader removes it.
 */
SEC("iter/bpf_map_elem")
int weir_socket_round(struct bpf_iter__bpf_map_elem *context)
{
    struct seq_file *file = context->meta->seq;
    struct socket_life *life = context->value;
    struct weir_event_socket event = {};
    __u64 *key = context->key;
    struct socket_life copy;
    struct sock *sk;
    __u64 sum;

    if (!key || !life)
        return 0;
    sk = (struct sock *)*key;
    if (BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_CLOSE) {
        event.head.type = WEIR_EVENT_CLOSE;
        event.head.connection = (__u64)sk;
        if (life->was_closed)
            bpf_seq_write(file, &event, sizeof(event));
        life->was_closed = 1;
        return 0;
    }
    copy = *life;
    if (!socket_describe(sk, &copy, &event))
        return 0;
    event.head.flags |= WEIR_FLAG_LIVES;
    sum = sum_of(&event);
    if (sum != life->told && bpf_seq_write(file, &event, sizeof(event)) == 0)
        life->told = sum;
    return 0;
}
