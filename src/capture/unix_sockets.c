/*
 * unix_sockets: what processes move through Unix sockets (bpf/unix.h), as summaries, and the ends
 * of the streams in them. No tracepoint tells that one closes: who asks finds it out, at the latest
 * in a round of the iterator over all of them.
 */
#include <bpf/bpf.h>
#include "capture/program.h"

enum { ROUND_NS = 1000000000 };

static void load(struct weir *skeleton, const char *const *names)
{
    for (size_t i = 0; names[i]; i++)
        bpf_program__set_autoload(bpf_object__find_program_by_name(skeleton->obj, names[i]), true);
}

void unix_sockets_prepare(struct weir *skeleton, const struct capture_options *options,
                          enum capture_rung rung)
{
    static const char *const fentry[] = {"weir_unix_send_enter",
                                         "weir_unix_send_exit",
                                         "weir_unix_receive_enter",
                                         "weir_unix_receive_exit",
                                         "weir_unix_datagram_out",
                                         "weir_unix_datagram_in",
                                         NULL};
    static const char *const tracepoint[] = {"weir_unix_sent", "weir_unix_received", NULL};
    static const char *const syscall[] = {"weir_unix_call_exit", NULL};
    static const char *const iterators[] = {"weir_unix_survey", "weir_unix_round", NULL};
    bool is_wanted = options->with_unix && options->on_summary && iterators_exist();

    bpf_program__set_autoattach(skeleton->progs.weir_unix_survey, false);
    bpf_program__set_autoattach(skeleton->progs.weir_unix_round, false);
    bpf_map__set_autocreate(skeleton->maps.weir_unix_uses, is_wanted);
    if (!is_wanted)
        return;
    load(skeleton, iterators);
    load(skeleton, rung == CAPTURE_RUNG_FENTRY       ? fentry
                   : rung == CAPTURE_RUNG_TRACEPOINT ? tracepoint
                                                     : syscall);
}

void unix_sockets_handle(struct capture *capture, const struct weir_event_unix *event)
{
    uint64_t time_ns = event->head.time_ns + (uint64_t)capture->clock_offset_ns;
    bool is_initiator = event->head.flags & WEIR_FLAG_INITIATOR;
    int local = is_initiator ? 0 : 1;
    struct flow_summary summary = {
        .id = event->head.connection,
        .closed_ns = time_ns,
        .source = "socket",
        .is_over = !(event->head.flags & WEIR_FLAG_LIVES),
        .is_socket = true,
        .is_unix = true,
        .is_initiator = is_initiator,
        .has_role = event->head.flags & WEIR_FLAG_ROLE,
    };
    struct stream_end end = {.connection = event->head.connection, .time_ns = time_ns};

    if (!capture->on_summary)
        return;
    identity_of(&event->process, &summary.process);
    for (int direction = WEIR_SENT; direction <= WEIR_RECEIVED; direction++) {
        struct flow_summary_side *side = &summary.sides[direction == WEIR_SENT ? local : !local];

        side->has_counts = true;
        side->packets = side->data_packets = event->calls[direction];
        side->payload_bytes = event->bytes[direction];
    }
    if (summary.is_over) {
        for (int direction = WEIR_SENT; direction <= WEIR_RECEIVED; direction++) {
            end.direction = direction == WEIR_SENT ? DIRECTION_A_TO_B : DIRECTION_B_TO_A;
            end.position = event->bytes[direction];
            capture->listener.on_end(capture->listener.context, &end);
        }
        capture->listener.on_close(capture->listener.context, end.connection, time_ns, false);
    }
    capture->on_summary(capture->summary_context, &summary);
}

static void event_take(struct capture *capture, const void *bytes)
{
    const struct weir_event_unix *event = bytes;
    struct {
        __u64 socket;
        __u32 process_id, padding;
    } key = {.socket = event->socket, .process_id = event->process.process_id};

    if (event->head.type == WEIR_EVENT_CLOSE) {
        bpf_map_delete_elem(bpf_map__fd(capture->skeleton->maps.weir_unix_uses), &key);
        return;
    }
    /* What was moved before it closed lies in the ring. */
    if (!(event->head.flags & WEIR_FLAG_LIVES))
        ring_drain(&capture->ring, events_handle, capture);
    unix_sockets_handle(capture, event);
}

const char *capture_unix_why(const struct capture *capture)
{
    if (!capture->unix_sockets.is_wanted || capture->unix_sockets.round)
        return NULL;
    return iterators_exist() ? "the kernel refuses the iterators that tell of them"
                             : "this kernel has no BPF iterators over files and maps (5.8 has)";
}

/* Nobody would hear of what they count. */
static void programs_detach(const struct bpf_object_skeleton *skeleton)
{
    for (int i = 0; i < skeleton->prog_cnt; i++) {
        const struct bpf_prog_skeleton *program =
            (const void *)((const char *)skeleton->progs + i * skeleton->prog_skel_sz);

        if (strncmp(program->name, "weir_unix_", strlen("weir_unix_")) == 0 && *program->link) {
            bpf_link__destroy(*program->link);
            *program->link = NULL;
        }
    }
}

void unix_sockets_open(struct capture *capture, uint64_t time_ns)
{
    struct unix_sockets *sockets = &capture->unix_sockets;
    struct weir *skeleton = capture->skeleton;
    union bpf_iter_link_info map = {0};
    LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &map, .link_info_len = sizeof(map));

    if (!bpf_program__autoload(skeleton->progs.weir_unix_round))
        return;
    map.map.map_fd = (__u32)bpf_map__fd(skeleton->maps.weir_unix_uses);
    sockets->survey = bpf_program__attach_iter(skeleton->progs.weir_unix_survey, NULL);
    sockets->round = bpf_program__attach_iter(skeleton->progs.weir_unix_round, &options);
    if (!sockets->survey || !sockets->round) {
        unix_sockets_close(capture);
        programs_detach(skeleton->skeleton);
        return;
    }
    sockets->told_ns = sockets->round_ns = time_ns;
    iterator_read(capture, sockets->survey, sizeof(struct weir_event_unix), event_take);
}

void unix_sockets_tick(struct capture *capture, uint64_t time_ns, bool is_end)
{
    struct unix_sockets *sockets = &capture->unix_sockets;
    bool with_living = is_end || time_ns >= sockets->told_ns + capture->living.interval_ns;

    if (!sockets->round || (!is_end && time_ns < sockets->round_ns + ROUND_NS))
        return;
    capture->skeleton->bss->weir_unix_with_living = with_living;
    sockets->round_ns = time_ns;
    if (with_living)
        sockets->told_ns = time_ns;
    iterator_read(capture, sockets->round, sizeof(struct weir_event_unix), event_take);
}

void unix_sockets_close(struct capture *capture)
{
    struct unix_sockets *sockets = &capture->unix_sockets;

    if (sockets->survey)
        bpf_link__destroy(sockets->survey);
    if (sockets->round)
        bpf_link__destroy(sockets->round);
    sockets->survey = sockets->round = NULL;
}
