/* packets: the packet hooks from load to end; counters. */
#include "capture/packets.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "base/allocate.h"
#include "base/clock.h"
#include "capture/after_loading.h"
#include "capture/packet_program.h"

#define FOLLOW_NS 1000000000ull /* how often new namespaces are looked for */

static const char *const packet_loss_names[] = {
    [WEIR_PACKET_LOSS_RING] = "packet_ring_full", [WEIR_PACKET_LOSS_FLOWS] = "flows_full",
    [WEIR_PACKET_LOSS_CUT] = "packet_headers",    [WEIR_PACKET_LOSS_SNAP] = "packet_snap",
    [WEIR_PACKET_LOSS_NESTED] = "packet_nested",
};
_Static_assert(sizeof(packet_loss_names) / sizeof(*packet_loss_names) == WEIR_PACKET_LOSS_COUNT,
               "one name a reason");

static int print_nothing(enum libbpf_print_level level, const char *format, va_list arguments)
{
    if (level == LIBBPF_DEBUG || !getenv("WEIR_DEBUG_BPF"))
        return 0;
    return vfprintf(stderr, format, arguments);
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static uint32_t own_namespace(void)
{
    struct stat status;

    return stat("/proc/self/ns/net", &status) ? 0 : (uint32_t)status.st_ino;
}

static void programs_gone(struct packets *packets)
{
    weir__destroy(packets->skeleton);
    packets->skeleton = NULL;
}

/* Loads the programs of one hook, and tries it. 0, or -errno and why. */
static int hook_try(struct packets *packets, enum packets_hook hook, char *message, size_t size)
{
    struct network_namespace own = {.inode = packets->own_namespace};
    int result;

    packets->hook = hook;
    result = packet_load_first(packets, own.inode, message, size);
    if (result)
        return result;
    result = packet_load(packets, &own);
    /* Whether XDP can be had is a matter of each interface. */
    if (result == 0 && (hook < PACKETS_HOOK_XDP || hook == PACKETS_HOOK_SOCKET))
        result = packet_attach_try(hook, own.programs);
    for (int i = 0; i < PROGRAM_COUNT; i++)
        if (own.programs[i] >= 0)
            close(own.programs[i]);
    if (result) {
        snprintf(message, size, "%s", strerror(-result));
        programs_gone(packets);
    }
    return result;
}

static int hook_choose(struct packets *packets, char message[1024])
{
    static const enum packets_hook ladder[] = {PACKETS_HOOK_TCX, PACKETS_HOOK_CLSACT,
                                               PACKETS_HOOK_SOCKET};
    enum packets_hook only = packets->options.hook;
    int result = -EOPNOTSUPP;
    size_t used = 0;

    for (size_t i = 0; i < sizeof(ladder) / sizeof(*ladder); i++) {
        enum packets_hook hook = only == PACKETS_HOOK_AUTO ? ladder[i] : only;
        char why[256] = "";

        result = hook_try(packets, hook, why, sizeof(why));
        if (result == 0)
            return 0;
        used += (size_t)snprintf(message + used, 1024 - used, "%spacket hook %s: %s",
                                 used ? "; " : "", packets_hook_names[hook],
                                 why[0] ? why : strerror(-result));
        if (used >= 1024 || only != PACKETS_HOOK_AUTO)
            break;
    }
    return result;
}

static int packets_begin(struct packets *packets, char message[1024])
{
    int result = hook_choose(packets, message);

    if (result == 0)
        result = packet_filter_set(packets->skeleton, &packets->options.prefilter,
                                   packets->options.followed_ports);
    if (result == 0) {
        struct bpf_map *map = packets->skeleton->maps.weir_packet_ring;

        packets->skeleton->bss->weir_packet_filter.is_open = 1;
        result = ring_open(&packets->ring, bpf_map__fd(map), bpf_map__max_entries(map));
    }
    if (result == 0 && packets->options.with_drops) {
        result = packet_load_drop(packets);
        if (result)
            snprintf(message, 1024, "packets that the kernel drops: %s", strerror(-result));
    }
    if (result == 0 && packets->hook != PACKETS_HOOK_NONE) {
        result = namespaces_follow(packets, true);
        if (result)
            snprintf(message, 1024, "%.250s",
                     packets->complaint[0] ? packets->complaint : strerror(-result));
    }
    if (result == 0 && packets->complaint[0] && packets->attachments.count == 0) {
        snprintf(message, 1024, "%.250s", packets->complaint);
        result = -EPERM;
    }
    return result;
}

int packets_new(const struct packets_options *options, const struct packets_listener *listener,
                struct packets **ret_packets, char message[1024])
{
    struct packets *packets = allocate_zeroed(sizeof(*packets));
    const char *dump = getenv("WEIR_RING_DUMP");
    int result;

    message[0] = 0;
    if (!packets)
        return -ENOMEM;
    libbpf_set_print(print_nothing);
    libbpf_set_strict_mode(LIBBPF_STRICT_ALL & ~LIBBPF_STRICT_AUTO_RLIMIT_MEMLOCK);
    setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
    packets->options = *options;
    packets->drop_link = -1;
    packets->dump = dump ? open(dump, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    packets->listener = *listener;
    packets->own_namespace = own_namespace();
    packets->cpu_count = libbpf_num_possible_cpus();
    packets->clock_offset_ns = clock_even_offset_ns();
    packets->told_ns = packets->followed_ns = clock_ns(CLOCK_MONOTONIC);
    table_init(&packets->told_flows, 2 * options->flow_maximum);
    table_init(&packets->attachments, INTERFACES_MAXIMUM);
    packets->counters = allocate(sizeof(*packets->counters) * (size_t)packets->cpu_count);
    result = packets->counters ? packets_begin(packets, message) : -ENOMEM;
    if (result) {
        packets_free(&packets);
        return result;
    }
    after_loading(packets->skeleton->skeleton);
    *ret_packets = packets;
    return 0;
}

void packets_free(struct packets **packets)
{
    if (!packets || !*packets)
        return;
    namespaces_free(*packets);
    if ((*packets)->drop_link >= 0)
        close((*packets)->drop_link);
    if ((*packets)->dump >= 0)
        close((*packets)->dump);
    drop_reasons_free(&(*packets)->drop_reasons);
    table_done(&(*packets)->told_flows);
    ring_close(&(*packets)->ring);
    weir__destroy((*packets)->skeleton);
    deallocate((*packets)->counters);
    deallocate(*packets);
    *packets = NULL;
}

void packets_detach(struct packets *packets)
{
    namespaces_detach(packets);
    if (packets->drop_link >= 0)
        close(packets->drop_link);
    packets->drop_link = -1;
}

int packets_descriptor(const struct packets *packets)
{
    return bpf_map__fd(packets->skeleton->maps.weir_packet_ring);
}

int packets_drain(struct packets *packets)
{
    return ring_drain(&packets->ring, packet_events_handle, packets);
}

void packets_tick(struct packets *packets, uint64_t interval_ns)
{
    uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

    namespaces_watch(packets);
    packet_flows_look(packets, interval_ns, false);
    if (packets->hook != PACKETS_HOOK_NONE && now_ns >= packets->followed_ns + FOLLOW_NS) {
        packets->followed_ns = now_ns;
        namespaces_follow(packets, false);
    }
}

void packets_flush(struct packets *packets)
{
    packet_flows_look(packets, 0, true);
}

int packets_change_mask_names(struct packets *packets, const char *const *old,
                              const char *const *new)
{
    return packets->options.with_masking ? tables_change_names(packets->skeleton, old, new) : 0;
}

int packets_filter(struct packets *packets, const struct prefilter *prefilter,
                   const uint16_t *followed_ports)
{
    return packet_filter_set(packets->skeleton, prefilter, followed_ports);
}

enum packets_hook packets_hook_used(const struct packets *packets)
{
    return packets->hook;
}

const char *packets_complaint(const struct packets *packets)
{
    return packets->complaint[0] ? packets->complaint : NULL;
}

void packets_read_counters(struct packets *packets, struct packets_counters *ret_counters)
{
    struct packets_counters *sum = ret_counters;
    __u32 zero = 0;

    memset(sum, 0, sizeof(*sum));
    memset(packets->counters, 0, sizeof(*packets->counters) * (size_t)packets->cpu_count);
    bpf_map_lookup_elem(bpf_map__fd(packets->skeleton->maps.weir_packet_counters), &zero,
                        packets->counters);
    sum->reason_count = WEIR_PACKET_LOSS_COUNT;
    sum->flows = packets->living_flows;
    sum->interfaces = packets->attachments.count;
    for (int cpu = 0; cpu < packets->cpu_count; cpu++) {
        const struct weir_packet_counters *one = &packets->counters[cpu];

        sum->packets += one->packets;
        sum->refused += one->refused;
        sum->duplicates += one->duplicates;
        sum->not_ip += one->not_ip;
        sum->malformed += one->malformed;
        for (int reason = 0; reason < WEIR_PACKET_LOSS_COUNT; reason++) {
            sum->reasons[reason].reason = packet_loss_names[reason];
            sum->reasons[reason].records += one->lost[reason].records;
            sum->reasons[reason].packets += one->lost[reason].packets;
            sum->reasons[reason].bytes += one->lost[reason].bytes;
        }
    }
}
