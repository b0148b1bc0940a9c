/* events: ring records (shared/event.h) to events of contract/source.h. */
#include <sys/socket.h>
#include <unistd.h>
#include "capture/program.h"

static uint64_t wall_time(const struct capture *capture, uint64_t monotonic_ns)
{
    return monotonic_ns + (uint64_t)capture->clock_offset_ns;
}

static void handle_open(struct capture *capture, const struct weir_event_open *event)
{
    struct stream_open open = {
        .connection = event->head.connection,
        .network_namespace = event->network_namespace,
        .carrier = event->carrier,
        .is_initiator = event->head.flags & WEIR_FLAG_INITIATOR,
        .is_late = event->head.flags & WEIR_FLAG_LATE,
        .first_sequence = event->first_sequence,
        .first_sequence_of = event->head.direction == WEIR_SENT ? DIRECTION_A_TO_B
                                                                : DIRECTION_B_TO_A,
        .has_first_sequence = event->has_first_sequence,
        .is_silent = event->head.flags & WEIR_FLAG_SILENT,
        .is_unix = event->family == AF_UNIX,
    };

    if (!open.is_unix) {
        open.local.port = event->local_port;
        open.remote.port = event->remote_port;
        address_of_ring(event->local, &open.local.address);
        address_of_ring(event->remote, &open.remote.address);
    }
    capture->listener.on_open(capture->listener.context, &open);
}

static void handle_datagram(struct capture *capture, const struct weir_event_datagram *event,
                            size_t size)
{
    size_t length = event->head.length;

    if (length > size - sizeof(*event))
        length = size - sizeof(*event);
    capture->is_datagram = true;
    datagrams_take(&capture->datagrams, &capture->listener, event, slice_of(event + 1, length),
                   wall_time(capture, event->head.time_ns));
    capture->is_datagram = false;
}

/* Told as data without bytes, at the position that the process moves next. */
static void handle_process(struct capture *capture, const struct weir_event_process *event)
{
    struct stream_data data = {
        .connection = event->head.connection,
        .direction = event->head.direction == WEIR_SENT ? DIRECTION_A_TO_B : DIRECTION_B_TO_A,
        .time_ns = wall_time(capture, event->head.time_ns),
        .position = event->position,
        .end_position = event->position,
        .is_peer_process = event->head.type == WEIR_EVENT_PEER,
    };

    identity_of(&event->process, &data.process);
    capture->listener.on_data(capture->listener.context, &data);
}

static void handle_digest(struct capture *capture, const struct weir_event_digest *event)
{
    struct pending_digest *pending;

    if (capture->pending_count == PENDING_MASKED_MAXIMUM) /* its data never came */
        capture->pending_count = 0;
    pending = &capture->pending[capture->pending_count++];
    pending->connection = event->head.connection;
    pending->direction = event->head.direction;
    pending->value.position = event->position;
    pending->value.digest = event->digest;
}

/* Moves the digests of this data to capture->masked. How many there are. */
static uint32_t masked_take(struct capture *capture, const struct weir_event_head *head)
{
    uint32_t taken = 0, kept = 0;

    for (uint32_t i = 0; i < capture->pending_count; i++) {
        const struct pending_digest *pending = &capture->pending[i];

        if (pending->connection == head->connection && pending->direction == head->direction)
            capture->masked[taken++] = pending->value;
        else
            capture->pending[kept++] = *pending;
    }
    capture->pending_count = kept;
    return taken;
}

/* The place of the head with that number; NULL: there is none. */
static struct known_head *known_place(struct capture *capture, uint64_t id)
{
    uint32_t place = (uint32_t)id;

    return place < (uint32_t)capture->cpu_count << WEIR_KNOWN_BITS ? &capture->known[place] : NULL;
}

/* The bytes of a data event: its own, which may be referred to later, or those it refers to. */
static struct slice data_bytes(struct capture *capture, const struct weir_event_data *event,
                               size_t length)
{
    struct known_head *known = event->known ? known_place(capture, event->known) : NULL;

    if (event->head.flags & WEIR_FLAG_KNOWN)
        return known && known->id == event->known ? slice_of(known->bytes, known->length)
                                                  : slice_of(event + 1, 0);
    if (known && length <= WEIR_KNOWN_LENGTH) {
        known->id = event->known;
        known->length = (uint32_t)length;
        memcpy(known->bytes, event + 1, length);
    }
    return slice_of(event + 1, length);
}

static void handle_data(struct capture *capture, const struct weir_event_data *event, size_t size)
{
    size_t length = event->head.length;
    struct stream_data data = {
        .connection = event->head.connection,
        .direction = event->head.direction == WEIR_SENT ? DIRECTION_A_TO_B : DIRECTION_B_TO_A,
        .time_ns = wall_time(capture, event->head.time_ns),
        .position = event->position,
        .end_position = event->end_position,
        .messages_before = event->messages,
        .is_unmarked = event->head.flags & WEIR_FLAG_COPIED,
        .has_message_count = (event->head.flags & (WEIR_FLAG_START | WEIR_FLAG_UNCOUNTED |
                                                   WEIR_FLAG_COPIED)) == WEIR_FLAG_START,
        .starts_message = (event->head.flags & WEIR_FLAG_FRAME) ||
                          (event->head.flags & (WEIR_FLAG_START | WEIR_FLAG_COPIED)) ==
                              WEIR_FLAG_START,
        .is_orphan_response = event->head.flags & WEIR_FLAG_ORPHAN,
        .waited_ns = event->waited_us * 1000ull,
        .round_trip_ns = event->round_trip_us * 1000ull,
        .masked = capture->masked,
        .masked_count = capture->pending_count ? masked_take(capture, &event->head) : 0,
    };

    if (length > size - sizeof(*event))
        length = size - sizeof(*event);
    data.bytes = data_bytes(capture, event, length);
    capture->listener.on_data(capture->listener.context, &data);
}

static void handle_end(struct capture *capture, const struct weir_event_end *event)
{
    uint64_t time_ns = wall_time(capture, event->head.time_ns);
    struct stream_end end = {
        .connection = event->head.connection,
        .direction = event->head.direction == WEIR_SENT ? DIRECTION_A_TO_B : DIRECTION_B_TO_A,
        .time_ns = time_ns,
        .position = event->position[event->head.direction & 1],
        .was_reset = event->head.flags & WEIR_FLAG_RESET,
    };

    if (event->head.type == WEIR_EVENT_END) {
        capture->listener.on_end(capture->listener.context, &end);
        return;
    }
    for (int direction = WEIR_SENT; direction <= WEIR_RECEIVED; direction++) {
        end.direction = direction == WEIR_SENT ? DIRECTION_A_TO_B : DIRECTION_B_TO_A;
        end.position = event->position[direction];
        capture->listener.on_end(capture->listener.context, &end);
    }
    capture->listener.on_close(capture->listener.context, end.connection, time_ns,
                               event->head.flags & WEIR_FLAG_RESET);
}

void events_handle(void *context, void *record, size_t size)
{
    struct capture *capture = context;
    const struct weir_event_head *head = record;

    if (capture->dump >= 0 && write(capture->dump, record, size) < 0)
        capture->dump = -1;
    if (size >= sizeof(struct weir_event_data) && head->type == WEIR_EVENT_DATA)
        handle_data(capture, record, size);
    else if (size >= sizeof(struct weir_event_datagram) && head->type == WEIR_EVENT_DATAGRAM)
        handle_datagram(capture, record, size);
    else if (size >= sizeof(struct weir_event_open) && head->type == WEIR_EVENT_OPEN)
        handle_open(capture, record);
    else if (size >= sizeof(struct weir_event_process) &&
             (head->type == WEIR_EVENT_PROCESS || head->type == WEIR_EVENT_PEER))
        handle_process(capture, record);
    else if (size >= sizeof(struct weir_event_identity) && head->type == WEIR_EVENT_IDENTITY)
        identities_handle(capture, record, size);
    else if (size >= sizeof(struct weir_event_digest) && head->type == WEIR_EVENT_DIGEST)
        handle_digest(capture, record);
    else if (size >= sizeof(struct weir_event_end) &&
             (head->type == WEIR_EVENT_END || head->type == WEIR_EVENT_CLOSE))
        handle_end(capture, record);
    else if (size >= sizeof(struct weir_event_socket) && head->type == WEIR_EVENT_SOCKET &&
             capture->on_summary)
        sockets_handle(capture, record);
    else if (size >= sizeof(struct weir_event_unix) && head->type == WEIR_EVENT_UNIX)
        unix_sockets_handle(capture, record);
}
