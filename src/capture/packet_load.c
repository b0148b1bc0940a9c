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

/* What the other hooks own, and these use as well. */
static bool map_is_used(const struct packets *packets, const struct bpf_map *map)
{
    const char *name = bpf_map__name(map);

    if (packet_map_is(map))
        return true;
    return packets->options.with_masking &&
           (strcmp(name, "weir_work") == 0 || strcmp(name, "weir_names") == 0);
}

static void settings_fill(struct packets *packets, struct weir *skeleton, uint32_t namespace)
{
    struct weir_packet_settings *settings = &skeleton->rodata->weir_packet_settings;

    settings->network_namespace = namespace;
    settings->snap = (__u32)packets->options.snap;
    settings->message_bytes = (__u32)packets->options.message_bytes;
    settings->with_records = packets->options.with_records;
    settings->with_streams = packets->options.with_streams;
    settings->with_masking = packets->options.with_masking;
    settings->wakeup_bytes = packets->options.ring_bytes / 4;
    skeleton->rodata->weir_settings.with_masking = packets->options.with_masking;
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

/* The program that masks, of the hook in use. NULL: the hook sees no payload. */
static struct bpf_program *masker_of(const struct packets *packets, const struct weir *skeleton)
{
    const char *const *programs = programs_of(packets->hook);

    if (programs == programs_tc)
        return skeleton->progs.weir_tc_mask;
    if (programs == programs_xdp)
        return skeleton->progs.weir_xdp_mask;
    return programs == programs_socket ? skeleton->progs.weir_packet_socket_mask : NULL;
}

/* Fills the table of names and hands the masker to the hooks. */
static int masking_begin(const struct packets *packets, struct weir *skeleton)
{
    const struct bpf_program *masker = masker_of(packets, skeleton);
    int result = tables_fill_names(skeleton, packets->options.mask_names);
    __u32 first = 0, descriptor;

    if (result || !masker)
        return result;
    descriptor = (__u32)bpf_program__fd(masker);
    return bpf_map__update_elem(masker == skeleton->progs.weir_xdp_mask
                                    ? skeleton->maps.weir_packet_masker_xdp
                                    : skeleton->maps.weir_packet_masker,
                                &first, sizeof(first), &descriptor, sizeof(descriptor), BPF_ANY);
}

/* As packet_load_first, with masking or without. */
static int load_first(struct packets *packets, uint32_t namespace, char *message, size_t size)
{
    struct weir *skeleton = weir__open();
    struct bpf_program *masker;
    struct bpf_map *map;
    int result;

    if (!skeleton)
        return -errno;
    settings_fill(packets, skeleton, namespace);
    programs_choose(skeleton, programs_of(packets->hook));
    masker = masker_of(packets, skeleton);
    if (masker)
        bpf_program__set_autoload(masker, packets->options.with_masking);
    bpf_object__for_each_map(map, skeleton->obj)
    {
        if (!bpf_map__is_internal(map))
            bpf_map__set_autocreate(map, map_is_used(packets, map));
    }
    bpf_map__set_max_entries(skeleton->maps.weir_packet_ring, (__u32)packets->options.ring_bytes);
    bpf_map__set_max_entries(skeleton->maps.weir_packet_flows,
                             (__u32)packets->options.flow_maximum);
    bpf_map__set_max_entries(skeleton->maps.weir_work, 1);
    result = weir__load(skeleton);
    if (result) {
        snprintf(message, size, "the kernel refuses the programs (%s)", strerror(-result));
        weir__destroy(skeleton);
        return result;
    }
    if (packets->options.with_masking)
        result = masking_begin(packets, skeleton);
    if (result) {
        snprintf(message, size, "masking of heads: %s", strerror(-result));
        weir__destroy(skeleton);
        return result;
    }
    packets->skeleton = skeleton;
    return 0;
}

int packet_load_first(struct packets *packets, uint32_t namespace, char *message, size_t size)
{
    int result = load_first(packets, namespace, message, size);

    if (result == 0 || !packets->options.with_masking)
        return result;
    /*
     * Tail calls out of programs with functions: since 5.10 on x86, since 6.0 on arm64. Without
     * CAP_PERFMON the verifier does not come to an end in the masker's loops.
     */
    packets->options.with_masking = false;
    if (load_first(packets, namespace, message, size))
        return result;
    snprintf(packets->complaint, sizeof(packets->complaint),
             "the kernel refuses masking in the kernel for heads in packets (%s; it needs "
             "CAP_PERFMON): they are masked in weir's memory",
             strerror(-result));
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
        bool is_shared = map_is_used(packets, map) || strstr(bpf_map__name(map), ".bss");

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
