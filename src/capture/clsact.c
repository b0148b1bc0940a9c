/*
 * clsact: classifiers of a clsact qdisc, for kernels without TCX. No descriptor holds them, so they
 * outlive a weir that is killed; the next one takes them away. Who is alive is told by a socket in
 * the abstract name space (unix(7)) of each network namespace, named by the classifiers' handle: it
 * is seen from every process namespace, and goes with its process.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/pkt_sched.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "capture/packet_program.h"

enum {
    FILTER_PRIORITY = 0xc0de, /* far behind those of others */
    HANDLE_TRIES = 64,
    HANDLE_STEP = 1 << 22, /* above all process ids */
    LEFTOVERS_MAXIMUM = 64,
};

/* Binds the name of a handle, in the thread's network namespace. A descriptor or -errno. */
static int guard_bind(uint32_t handle)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length =
        snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "weir-clsact-%u", handle);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) + (socklen_t)length;
    int guard = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), result;

    if (guard < 0)
        return -errno;
    if (bind(guard, (struct sockaddr *)&address, size) == 0)
        return guard;
    result = -errno;
    close(guard);
    return result;
}

static bool is_alive(uint32_t handle)
{
    int guard = guard_bind(handle);

    if (guard >= 0)
        close(guard);
    return guard == -EADDRINUSE;
}

/* A handle that nobody else has: the process id, where no other namespace has the same. */
static int handle_take(struct network_namespace *namespace)
{
    int guard = -EADDRINUSE;

    if (namespace->clsact_handle)
        return 0;
    for (unsigned i = 0; i < HANDLE_TRIES && guard == -EADDRINUSE; i++) {
        namespace->clsact_handle = (uint32_t)getpid() + i * HANDLE_STEP;
        guard = guard_bind(namespace->clsact_handle);
    }
    if (guard < 0) {
        namespace->clsact_handle = 0;
        return guard;
    }
    namespace->clsact_guard = guard;
    return 0;
}

void clsact_guard_close(struct network_namespace *namespace)
{
    if (namespace->clsact_handle)
        close(namespace->clsact_guard);
    namespace->clsact_handle = 0;
}

static enum bpf_tc_attach_point point_of(bool is_egress)
{
    return is_egress ? BPF_TC_EGRESS : BPF_TC_INGRESS;
}

int clsact_attach(struct attachment *attachment, int program, bool is_egress)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)attachment->interface.index,
                .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
    LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = program, .priority = FILTER_PRIORITY);
    int result = handle_take(attachment->namespace);

    if (result == 0)
        result = bpf_tc_hook_create(&hook);
    if (result && result != -EEXIST)
        return result;
    attachment->has_qdisc |= result == 0;
    hook.attach_point = point_of(is_egress);
    options.handle = attachment->namespace->clsact_handle;
    result = bpf_tc_attach(&hook, &options);
    attachment->has_filters[is_egress] = result == 0;
    return result;
}

static void filter_detach(uint32_t index, uint32_t handle, bool is_egress)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)index, .attach_point = point_of(is_egress));
    LIBBPF_OPTS(bpf_tc_opts, options, .handle = handle, .priority = FILTER_PRIORITY);

    bpf_tc_detach(&hook, &options);
}

static void qdisc_remove(uint32_t index)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)index,
                .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

    if (!interfaces_have_filters(index))
        bpf_tc_hook_destroy(&hook);
}

void clsact_detach(struct attachment *attachment)
{
    for (int is_egress = 0; is_egress < 2; is_egress++) {
        if (attachment->has_filters[is_egress])
            filter_detach(attachment->interface.index, attachment->namespace->clsact_handle,
                          is_egress);
        attachment->has_filters[is_egress] = false;
    }
    if (attachment->has_qdisc)
        qdisc_remove(attachment->interface.index);
    attachment->has_qdisc = false;
}

struct leftovers {
    unsigned count;
    struct {
        uint32_t handle;
        bool is_egress;
    } items[LEFTOVERS_MAXIMUM];
};

static void on_filter(void *context, const struct interface_filter *filter)
{
    struct leftovers *leftovers = context;

    if (strncmp(filter->name, "weir_tc_", strlen("weir_tc_")) != 0 ||
        filter->priority != FILTER_PRIORITY || leftovers->count == LEFTOVERS_MAXIMUM ||
        is_alive(filter->handle))
        return;
    leftovers->items[leftovers->count].handle = filter->handle;
    leftovers->items[leftovers->count++].is_egress = filter->is_egress;
}

unsigned clsact_leftovers(uint32_t index)
{
    struct leftovers leftovers = {0};

    interfaces_filters(index, &leftovers, on_filter);
    return leftovers.count;
}

void clsact_leftovers_remove(uint32_t index)
{
    struct leftovers leftovers = {0};

    interfaces_filters(index, &leftovers, on_filter);
    for (unsigned i = 0; i < leftovers.count; i++)
        filter_detach(index, leftovers.items[i].handle, leftovers.items[i].is_egress);
    if (leftovers.count) /* the qdisc was weir's, most likely: nobody else has anything on it */
        qdisc_remove(index);
}
