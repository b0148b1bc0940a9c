/*
 * packet_load: loads the programs of the packet hooks. One object a network namespace, since a
 * program knows its namespace by a constant; all share the first one's maps.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include "capture/packet_program.h"

static const char *const programs_tc[] = {"weir_tc_in", "weir_tc_out", "weir_tc_in_ip",
                                          "weir_tc_out_ip"};
static const char *const programs_xdp[] = {"weir_xdp", NULL, "weir_xdp_ip", NULL};
static const char *const programs_socket[] = {"weir_packet_socket", NULL, "weir_packet_socket_ip",
                                              NULL};

static const char *const programs_none[PROGRAM_COUNT] = {NULL};
static const char *const programs_drop[] = {"weir_drop", NULL, NULL, NULL};

static const char *const *programs_of(enum packets_hook hook)
{
    switch (hook) {
    case PACKETS_HOOK_XDP:
    case PACKETS_HOOK_XDP_NATIVE:
    case PACKETS_HOOK_XDP_GENERIC:
        return programs_xdp;
    case PACKETS_HOOK_SOCKET:
        return programs_socket;
    case PACKETS_HOOK_NONE:
        return programs_none;
    default:
        return programs_tc;
    }
}

bool packet_map_is(const struct bpf_map *map)
{
    return strncmp(bpf_map__name(map), "weir_packet_", strlen("weir_packet_")) == 0;
}

static void settings_fill(struct packets *packets, struct weir *skeleton, uint32_t namespace)
{
    struct weir_packet_settings *settings = &skeleton->rodata->weir_packet_settings;

    settings->network_namespace = namespace;
    settings->snap = (__u32)packets->options.snap;
    settings->message_bytes = (__u32)packets->options.message_bytes;
    settings->with_records = packets->options.with_records;
    settings->with_streams = packets->options.with_streams;
    settings->wakeup_bytes = packets->options.ring_bytes / 4;
}

static void programs_choose(struct weir *skeleton, const char *const *names)
{
    struct bpf_program *program;

    bpf_object__for_each_program(program, skeleton->obj)
    {
        bool is_wanted = false;

        for (int i = 0; i < PROGRAM_COUNT; i++)
            is_wanted |= names[i] && strcmp(bpf_program__name(program), names[i]) == 0;
        bpf_program__set_autoload(program, is_wanted);
        bpf_program__set_autoattach(program, false);
    }
}

static void programs_take(struct weir *skeleton, const char *const *names,
                          int programs[PROGRAM_COUNT])
{
    for (int i = 0; i < PROGRAM_COUNT; i++) {
        struct bpf_program *program =
            names[i] ? bpf_object__find_program_by_name(skeleton->obj, names[i]) : NULL;

        programs[i] = program ? fcntl(bpf_program__fd(program), F_DUPFD_CLOEXEC, 3) : -1;
    }
}

int packet_load_first(struct packets *packets, uint32_t namespace, char *message, size_t size)
{
    struct weir *skeleton = weir__open();
    struct bpf_map *map;
    int result;

    if (!skeleton)
        return -errno;
    settings_fill(packets, skeleton, namespace);
    programs_choose(skeleton, programs_of(packets->hook));
    bpf_object__for_each_map(map, skeleton->obj)
    {
        if (!bpf_map__is_internal(map))
            bpf_map__set_autocreate(map, packet_map_is(map));
    }
    bpf_map__set_max_entries(skeleton->maps.weir_packet_ring, (__u32)packets->options.ring_bytes);
    bpf_map__set_max_entries(skeleton->maps.weir_packet_flows,
                             (__u32)packets->options.flow_maximum);
    result = weir__load(skeleton);
    if (result) {
        snprintf(message, size, "the kernel refuses the programs (%s)", strerror(-result));
        weir__destroy(skeleton);
        return result;
    }
    packets->skeleton = skeleton;
    return 0;
}

/* Another object with its own constants and the first one's maps. */
static int load_again(struct packets *packets, const char *const *names, uint32_t namespace,
                      int programs[PROGRAM_COUNT])
{
    struct weir *skeleton = weir__open();
    struct bpf_map *map, *first = NULL;
    int result = 0;

    if (!skeleton)
        return -errno;
    settings_fill(packets, skeleton, namespace);
    skeleton->rodata->weir_packet_settings.has_drop_reason =
        packets->drop_reasons && drop_reasons_are_told(packets->drop_reasons);
    programs_choose(skeleton, names);
    first = bpf_object__next_map(packets->skeleton->obj, NULL);
    bpf_object__for_each_map(map, skeleton->obj)
    {
        bool is_shared = packet_map_is(map) || strstr(bpf_map__name(map), ".bss");

        if (is_shared && result == 0)
            result = bpf_map__reuse_fd(map, bpf_map__fd(first));
        else if (!bpf_map__is_internal(map))
            bpf_map__set_autocreate(map, false);
        first = bpf_object__next_map(packets->skeleton->obj, first);
    }
    if (result == 0)
        result = bpf_object__load(skeleton->obj);
    if (result == 0)
        programs_take(skeleton, names, programs);
    weir__destroy(skeleton);
    return result;
}

int packet_load(struct packets *packets, struct network_namespace *namespace)
{
    if (namespace->inode != packets->skeleton->rodata->weir_packet_settings.network_namespace)
        return load_again(packets, programs_of(packets->hook), namespace->inode,
                          namespace->programs);
    programs_take(packets->skeleton, programs_of(packets->hook), namespace->programs);
    return 0;
}

int packet_load_drop(struct packets *packets)
{
    int programs[PROGRAM_COUNT] = {-1};
    int result = drop_reasons_new(&packets->drop_reasons);

    if (result == 0)
        result = load_again(packets, programs_drop, 0, programs);
    if (result)
        return result;
    packets->drop_link = bpf_raw_tracepoint_open(NULL, programs[0]);
    result = packets->drop_link < 0 ? -errno : 0;
    close(programs[0]);
    return result;
}
