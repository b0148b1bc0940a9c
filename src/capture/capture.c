/* capture: load, attach, drain, count. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "base/allocate.h"
#include "base/clock.h"
#include "capture/after_loading.h"
#include "capture/datagram_peers.h"
#include "capture/losses.h"
#include "capture/packet_program.h"
#include "capture/tls.h"

_Static_assert(WEIR_LOSS_COUNT + 5 <= CAPTURE_LOSS_MAXIMUM, "room for all reasons");

static int print_nothing(enum libbpf_print_level level, const char *format, va_list arguments)
{
    if (level == LIBBPF_DEBUG || !getenv("WEIR_DEBUG_BPF"))
        return 0;
    return vfprintf(stderr, format, arguments);
}

/* The coarse clocks move with each tick. */
static unsigned tick_us(void)
{
    struct timespec tick = {0};

    clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
    return (unsigned)(tick.tv_nsec / 1000);
}

static void settings_fill(struct weir *skeleton, const struct capture_options *options)
{
    struct weir_settings *settings = &skeleton->rodata->weir_settings;

    settings->with_masking = !options->is_masking_disabled;
    settings->with_hmac = settings->with_masking && options->mask_key.length;
    settings->with_protocols = options->with_protocols;
    settings->with_tls = options->with_tls;
    settings->with_datagrams = options->with_protocols;
    settings->with_command_line = options->with_command_line;
    settings->with_sockets = options->on_summary != NULL;
    settings->wakeup_bytes = options->ring_bytes / 4;
    settings->own_process = (unsigned)getpid();
    settings->with_waiting = options->with_socket_wait;
    settings->tick_us = tick_us();
}

/* Loads and attaches one rung. 0, or -errno and a message. */
static int rung_try(enum capture_rung rung, const struct capture_options *options,
                    struct weir **ret_skeleton, char *message, size_t size)
{
    struct weir *skeleton = weir__open();
    const char *const *names = rung_programs(rung);
    struct bpf_program *program;
    struct bpf_map *map;
    int result;

    if (!skeleton)
        return -errno;
    settings_fill(skeleton, options);
    bpf_object__for_each_program(program, skeleton->obj)
        bpf_program__set_autoload(program, options->with_tls && tls_program_is(program));
    result = rung_prepare(rung, skeleton, options, message, size);
    if (result == 0 && options->with_tls)
        result = tls_prepare(skeleton, message, size);
    bpf_map__set_max_entries(skeleton->maps.weir_ring, (__u32)options->ring_bytes);
    bpf_object__for_each_map(map, skeleton->obj)
    {
        if (packet_map_is(map) || (tls_map_is(map) && !options->with_tls))
            bpf_map__set_autocreate(map, false);
    }
    for (size_t i = 0; result == 0 && names[i]; i++) {
        program = bpf_object__find_program_by_name(skeleton->obj, names[i]);
        if (!program)
            result = -ENOENT;
        else
            bpf_program__set_autoload(program, true);
    }
    sockets_prepare(skeleton, options);
    unix_sockets_prepare(skeleton, options, rung);
    if (result == 0 && options->with_socket_wait && rung_can_wait(skeleton))
        bpf_program__set_autoload(skeleton->progs.weir_socket_ready, true);
    if (result == 0) {
        result = weir__load(skeleton);
        if (result)
            snprintf(message, size, "the kernel refuses the programs (%s)", strerror(-result));
    }
    if (result == 0) {
        mask_key_states(options->mask_key, &skeleton->bss->weir_hmac_key);
        result = tables_fill(skeleton, options);
    }
    if (result == 0) {
        result = weir__attach(skeleton);
        if (result)
            snprintf(message, size, "the hooks cannot be attached (%s)", strerror(-result));
    }
    if (result) {
        weir__destroy(skeleton);
        return result;
    }
    *ret_skeleton = skeleton;
    return 0;
}

/* The rung, and plaintext of TLS libraries if that is asked for and can be had. */
static int rung_with_tls(enum capture_rung rung, struct capture *capture,
                         const struct capture_options *options, char *message, size_t size)
{
    struct capture_options without = *options;
    int result;

    capture->tls_why[0] = 0;
    result = rung_try(rung, options, &capture->skeleton, message, size);
    if (!options->with_tls)
        return result;
    if (result == 0) {
        result = tls_new(capture->skeleton, &capture->tls);
        if (result == 0)
            return 0;
        snprintf(message, size, "%s", strerror(-result));
        weir__destroy(capture->skeleton);
        capture->skeleton = NULL;
    }
    snprintf(capture->tls_why, sizeof(capture->tls_why), "%.255s",
             message[0] ? message : strerror(-result));
    message[0] = 0;
    without.with_tls = false;
    return rung_try(rung, &without, &capture->skeleton, message, size);
}

static int ladder_climb(struct capture *capture, const struct capture_options *options,
                        char message[1024])
{
    enum capture_rung first = CAPTURE_RUNG_FENTRY, last = CAPTURE_RUNG_SYSCALL;
    size_t used = 0;
    int result = -EOPNOTSUPP;

    if (options->rung != CAPTURE_RUNG_AUTO)
        first = last = options->rung;
    for (enum capture_rung rung = first; rung <= last; rung++) {
        char why[256] = "";

        result = rung_with_tls(rung, capture, options, why, sizeof(why));
        if (result == 0) {
            capture->rung = rung;
            return 0;
        }
        used += (size_t)snprintf(message + used, 1024 - used, "%srung %s: %s", used ? "; " : "",
                                 capture_rung_names[rung], why[0] ? why : strerror(-result));
        if (used >= 1024)
            used = 1023;
    }
    return result;
}

int capture_new(const struct capture_options *options, const struct stream_listener *listener,
                struct capture **ret_capture, char message[1024])
{
    struct capture *capture = allocate(sizeof(*capture));
    const char *dump = getenv("WEIR_RING_DUMP");
    int result;

    message[0] = 0;
    if (!capture)
        return -ENOMEM;
    memset(capture, 0, sizeof(*capture));
    libbpf_set_print(print_nothing);
    libbpf_set_strict_mode(LIBBPF_STRICT_ALL & ~LIBBPF_STRICT_AUTO_RLIMIT_MEMLOCK);
    /* Before 5.11 maps count against this limit; where it cannot be raised, loading says so. */
    setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
    capture->listener = *listener;
    capture->selection = options->selection;
    capture->on_summary = options->on_summary;
    capture->summary_context = options->summary_context;
    capture->on_process = options->on_process;
    capture->unix_sockets.is_wanted = options->with_unix && options->on_summary;
    capture->living.interval_ns = options->statistics_interval_ns;
    capture->process_context = options->process_context;
    capture->dump = dump ? open(dump, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    capture->clock_offset_ns = clock_even_offset_ns();
    capture->cpu_count = libbpf_num_possible_cpus();
    datagrams_init(&capture->datagrams);
    capture->counters = allocate(sizeof(*capture->counters) * (size_t)capture->cpu_count);
    capture->known =
        allocate_zeroed(sizeof(*capture->known) * WEIR_KNOWN_ENTRIES * (size_t)capture->cpu_count);
    result = capture->counters && capture->known ? ladder_climb(capture, options, message)
                                                 : -ENOMEM;
    if (result == 0) {
        struct bpf_map *map = capture->skeleton->maps.weir_ring;

        result = ring_open(&capture->ring, bpf_map__fd(map), bpf_map__max_entries(map));
    }
    if (result == 0)
        living_open(capture);
    if (result) {
        capture_free(&capture);
        return result;
    }
    datagram_peers_attach(capture);
    after_loading(capture->skeleton->skeleton);
    *ret_capture = capture;
    return 0;
}

void capture_free(struct capture **capture)
{
    if (!capture || !*capture)
        return;
    tls_free(&(*capture)->tls);
    living_close(*capture);
    datagram_peers_detach(*capture);
    ring_close(&(*capture)->ring);
    weir__destroy((*capture)->skeleton);
    if ((*capture)->dump >= 0)
        close((*capture)->dump);
    deallocate((*capture)->counters);
    deallocate((*capture)->known);
    datagrams_done(&(*capture)->datagrams);
    deallocate(*capture);
    *capture = NULL;
}

void capture_detach(struct capture *capture)
{
    capture_read_tls(capture, &capture->tls_state);
    tls_free(&capture->tls);
    living_tick(capture, true);
    living_close(capture);
    datagram_peers_detach(capture);
    weir__detach(capture->skeleton);
}

int capture_descriptor(const struct capture *capture)
{
    return bpf_map__fd(capture->skeleton->maps.weir_ring);
}

int capture_drain(struct capture *capture)
{
    int count;

    selection_tick(capture);
    datagrams_tick(&capture->datagrams, &capture->listener, clock_even_ns());
    count = ring_drain(&capture->ring, events_handle, capture);
    living_tick(capture, false); /* after the processes that it names */
    return count;
}

enum capture_rung capture_rung_used(const struct capture *capture)
{
    return capture->rung;
}

void capture_read_tls(const struct capture *capture, struct capture_tls *ret_state)
{
    *ret_state = capture->tls_state;
    ret_state->why_not = capture->tls_why[0] ? capture->tls_why : NULL;
    if (capture->tls)
        tls_read(capture->tls, ret_state);
}

/* How often the kernel skipped a program because it was already active on that CPU. */
static uint64_t skipped_runs(const struct capture *capture)
{
    struct bpf_program *program;
    uint64_t skipped = 0;

    bpf_object__for_each_program(program, capture->skeleton->obj)
    {
        struct bpf_prog_info info = {0};
        __u32 size = sizeof(info);
        int descriptor = bpf_program__fd(program);

        if (descriptor >= 0 && bpf_obj_get_info_by_fd(descriptor, &info, &size) == 0)
            skipped += info.recursion_misses;
    }
    return skipped;
}

static void events_add(struct capture_counters *counters, const char *reason, uint64_t events)
{
    counters->reasons[counters->reason_count].reason = reason;
    counters->reasons[counters->reason_count++].events = events;
}

void capture_read_counters(struct capture *capture, struct capture_counters *ret_counters)
{
    struct capture_tls tls;
    __u32 zero = 0;

    memset(ret_counters, 0, sizeof(*ret_counters));
    memset(capture->counters, 0, sizeof(*capture->counters) * (size_t)capture->cpu_count);
    bpf_map_lookup_elem(bpf_map__fd(capture->skeleton->maps.weir_counters), &zero,
                        capture->counters);
    ret_counters->reason_count = WEIR_LOSS_COUNT;
    for (int reason = 0; reason < WEIR_LOSS_COUNT; reason++) {
        ret_counters->reasons[reason].reason = loss_names[reason];
        for (int cpu = 0; cpu < capture->cpu_count; cpu++) {
            const struct weir_loss_counter *lost = &capture->counters[cpu].lost[reason];

            ret_counters->reasons[reason].exchanges += lost->exchanges;
            ret_counters->reasons[reason].bytes += lost->bytes;
            ret_counters->reasons[reason].events += lost->events;
        }
        ret_counters->lost_exchanges += ret_counters->reasons[reason].exchanges;
    }
    for (int cpu = 0; cpu < capture->cpu_count; cpu++)
        ret_counters->filtered += capture->counters[cpu].filtered;
    /* What would have been seen is not known: events only. */
    events_add(ret_counters, "skipped_run", skipped_runs(capture));
    capture_read_tls(capture, &tls);
    events_add(ret_counters, "tls_file_refused", tls.refused_count);
    events_add(ret_counters, "tls_start_late", tls.missed_starts);
    events_add(ret_counters, "datagram_flows_full", capture->datagrams.crowded);
    events_add(ret_counters, "memory", capture->datagrams.lost);
}

void capture_ring_peak(struct capture *capture, uint64_t *ret_peak, uint64_t *ret_size)
{
    *ret_peak = capture->ring.peak;
    *ret_size = capture->ring.size;
    capture->ring.peak = 0;
}
