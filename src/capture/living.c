/*
 * living: TCP sockets that live, found and told of by BPF iterators (bpf/hooks/tcp_living.bpf.c).
 * What the kernel says is read from a file of the iterator, as it is ready for it: nothing of it
 * can be lost.
 */
#include <errno.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include "capture/program.h"

enum { EVENTS_AT_ONCE = 64 };

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

bool iterators_exist(void)
{
    struct btf *btf = btf__load_vmlinux_btf();
    bool has = btf && btf__find_by_name_kind(btf, "bpf_iter__task_file", BTF_KIND_STRUCT) > 0 &&
               btf__find_by_name_kind(btf, "bpf_iter__bpf_map_elem", BTF_KIND_STRUCT) > 0;

    btf__free(btf);
    return has;
}

void sockets_prepare(struct weir *skeleton, const struct capture_options *options)
{
    bool with_living = options->on_summary && options->statistics_interval_ns && iterators_exist();

    /* Programs for connections name the table; 5.10 wants to see it. */
    if (!options->on_summary) {
        bpf_map__set_max_entries(skeleton->maps.weir_socket_life, 1);
        bpf_map__set_max_entries(skeleton->maps.weir_listeners, 1);
    }
    bpf_program__set_autoload(skeleton->progs.weir_socket_state, options->on_summary);
    bpf_program__set_autoload(skeleton->progs.weir_socket_reset_in, options->on_summary);
    bpf_program__set_autoload(skeleton->progs.weir_socket_reset_out, options->on_summary);
    bpf_program__set_autoload(skeleton->progs.weir_socket_survey, with_living);
    bpf_program__set_autoload(skeleton->progs.weir_socket_round, with_living);
    bpf_program__set_autoattach(skeleton->progs.weir_socket_survey, false);
    bpf_program__set_autoattach(skeleton->progs.weir_socket_round, false);
}

static void event_take(struct capture *capture, const void *bytes)
{
    const struct weir_event_socket *event = bytes;

    if (event->head.type == WEIR_EVENT_SOCKET)
        sockets_handle(capture, event);
    else if (event->head.type == WEIR_EVENT_CLOSE)
        bpf_map_delete_elem(bpf_map__fd(capture->skeleton->maps.weir_socket_life),
                            &event->head.connection);
}

void iterator_read(struct capture *capture, struct bpf_link *link, size_t size,
                   iterator_handler handle)
{
    __u64 bytes[EVENTS_AT_ONCE * sizeof(struct weir_event_socket) / sizeof(__u64)];
    int file = bpf_iter_create(bpf_link__fd(link));
    size_t filled = 0;
    ssize_t got;

    if (file < 0)
        return;
    while ((got = read(file, (char *)bytes + filled, sizeof(bytes) - filled)) > 0 ||
           (got < 0 && (errno == EAGAIN || errno == EINTR))) {
        size_t count;

        filled += got > 0 ? (size_t)got : 0;
        count = filled / size;
        for (size_t i = 0; i < count; i++)
            handle(capture, (char *)bytes + i * size);
        filled -= count * size;
        memmove(bytes, (char *)bytes + count * size, filled);
    }
    close(file);
}

static void sockets_read(struct capture *capture, struct bpf_link *link)
{
    iterator_read(capture, link, sizeof(struct weir_event_socket), event_take);
}

void living_open(struct capture *capture)
{
    struct living *living = &capture->living;
    union bpf_iter_link_info map = {
        .map.map_fd = (__u32)bpf_map__fd(capture->skeleton->maps.weir_socket_life)};
    LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &map, .link_info_len = sizeof(map));

    unix_sockets_open(capture, now_ns());
    if (!bpf_program__autoload(capture->skeleton->progs.weir_socket_round))
        return;
    living->survey = bpf_program__attach_iter(capture->skeleton->progs.weir_socket_survey, NULL);
    living->round = bpf_program__attach_iter(capture->skeleton->progs.weir_socket_round, &options);
    if (!living->survey || !living->round) {
        living_close(capture);
        return;
    }
    living->told_ns = now_ns();
    sockets_read(capture, living->survey);
}

void living_tick(struct capture *capture, bool is_end)
{
    struct living *living = &capture->living;
    uint64_t time_ns = now_ns();

    unix_sockets_tick(capture, time_ns, is_end);
    if (!living->round || (!is_end && time_ns < living->told_ns + living->interval_ns))
        return;
    living->told_ns = time_ns;
    sockets_read(capture, living->survey); /* whose sockets they are */
    sockets_read(capture, living->round);
}

void capture_change_statistics(struct capture *capture, uint64_t interval_ns)
{
    capture->living.interval_ns = interval_ns;
}

void living_close(struct capture *capture)
{
    struct living *living = &capture->living;

    if (living->survey)
        bpf_link__destroy(living->survey);
    if (living->round)
        bpf_link__destroy(living->round);
    living->survey = living->round = NULL;
    unix_sockets_close(capture);
}
