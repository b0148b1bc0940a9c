/*
 * pairs: a connection whose two ends are both on this host is seen twice. The server's end is
 * logged; a record of the client's end is a duplicate when the server has read its request.
 * Positions tell: what the client has sent at position p, the server reads at position p.
 *
 * A client's record with a response is decided at once, since a server answers after it has read.
 * One without waits until the server reads, closes, or STREAMS_HOLD_NS have passed.
 */
#include "track/connection.h"
#include "base/allocate.h"

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t length)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3ull;
    return hash;
}

static bool is_loopback(const struct address *address)
{
    static const uint8_t one[16] = {[15] = 1};
    return address->family == ADDRESS_IPV4 ? address->bytes[0] == 127
                                           : memcmp(address->bytes, one, 16) == 0;
}

/* Loopback addresses mean another host in each network namespace, all others the same. */
static uint64_t key_of(const struct endpoint *near, const struct endpoint *far, uint64_t namespace,
                       bool is_plaintext)
{
    uint64_t hash = 0xcbf29ce484222325ull;
    bool is_local = is_loopback(&near->address) || is_loopback(&far->address);
    uint64_t scope = is_local ? namespace : 0;
    hash = hash_bytes(hash, &near->address, sizeof(near->address));
    hash = hash_bytes(hash, &near->port, sizeof(near->port));
    hash = hash_bytes(hash, &far->address, sizeof(far->address));
    hash = hash_bytes(hash, &far->port, sizeof(far->port));
    hash = hash_bytes(hash, &scope, sizeof(scope));
    hash = hash_bytes(hash, &is_plaintext, sizeof(is_plaintext));
    return hash ? hash : 1;
}

static bool is_same(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && address_is_equal(&a->address, &b->address);
}

static void forget_ghost(struct connection *ghost)
{
    struct streams *streams = ghost->streams;
    if (table_find(&streams->pairs, ghost->pair_key) == ghost)
        table_remove(&streams->pairs, ghost->pair_key);
    connection_list_remove(&streams->ghosts, ghost);
    deallocate(ghost);
}

void pairs_forget_old(struct streams *streams, uint64_t now_ns)
{
    while (streams->ghosts.oldest) {
        struct connection *ghost = streams->ghosts.oldest;
        if (streams->ghosts.count <= STREAMS_GHOSTS_MAXIMUM &&
            now_ns < ghost->close_time_ns + STREAMS_GHOST_NS)
            return;
        forget_ghost(ghost);
    }
}

void pairs_open(struct connection *connection)
{
    struct streams *streams = connection->streams;
    uint64_t namespace = connection->network_namespace;
    if (!connection->local.port || !connection->remote.port)
        return;
    bool is_plaintext = connection->carrier != 0;
    uint64_t key = key_of(&connection->local, &connection->remote, namespace, is_plaintext);
    uint64_t mirrored_key =
        key_of(&connection->remote, &connection->local, namespace, is_plaintext);
    struct connection *old = table_find(&streams->pairs, key);
    if (old && old->is_ghost)
        forget_ghost(old);
    /* Without room in the table both ends are logged; that is better than none. */
    if (table_set(&streams->pairs, key, connection) == 0)
        connection->pair_key = key;
    struct connection *other = table_find(&streams->pairs, mirrored_key);
    if (!other || other == connection || (other->carrier != 0) != is_plaintext ||
        !is_same(&other->local, &connection->remote) ||
        !is_same(&other->remote, &connection->local))
        return;
    if (other->is_ghost) {
        connection->peer_process = other->process;
        connection->peer_logged_until = other->logged_until;
        forget_ghost(other);
        return;
    }
    if (other->peer)
        return;
    connection->peer = other;
    connection->had_peer = true;
    connection->peer_logged_until = other->logged_until;
    other->peer = connection;
    other->had_peer = true;
}

static struct reading reading_of(const struct connection *reader)
{
    return (struct reading){.position = reader->sides[DIRECTION_B_TO_A].position,
                            .time_ns = reader->read_time_ns,
                            .origin = reader->read_origin,
                            .is_late = reader->is_late};
}

static struct sending sending_of(const struct connection *sender)
{
    return (struct sending){.origin = sender->sent_origin, .is_late = sender->is_late};
}

bool pairs_close(struct connection *connection)
{
    struct streams *streams = connection->streams;
    struct connection *peer = connection->peer;
    if (peer) {
        peer->peer = NULL;
        peer->peer_process = connection->process;
        peer->peer_reading = reading_of(connection);
        peer->peer_sending = sending_of(connection);
        peer->peer_logged_until = connection->logged_until;
        peer->had_silent_peer = connection->is_silent;
        connection->peer = NULL;
    }
    bool is_ghost = !connection->had_peer && connection->logged_until && connection->pair_key &&
                    !connection->is_late;
    if (!is_ghost && connection->pair_key &&
        table_find(&streams->pairs, connection->pair_key) == connection)
        table_remove(&streams->pairs, connection->pair_key);
    return is_ghost;
}

static uint64_t request_position(const struct record *record)
{
    return record->heads[0].bytes.data ? record->heads[0].position : 0;
}

/*
 * Does the reading hold the request that was sent? Positions of an end that was joined late
 * begin anywhere: they are compared by their sequence numbers, where these are known.
 */
static bool holds(const struct reading *reading, const struct sending *sending,
                  const struct record *record)
{
    uint64_t position = request_position(record);
    if (reading->position == 0)
        return false;
    if (!sending->is_late && !reading->is_late)
        return reading->position > position;
    if (sending->origin.is_known && reading->origin.is_known)
        return (int32_t)(reading->origin.number + (uint32_t)reading->position -
                         sending->origin.number - (uint32_t)position) > 0;
    return reading->time_ns >= record->time_ns;
}

/* Has the other end read the request that this end has sent? */
static bool is_read_by_peer(const struct connection *connection, const struct record *record)
{
    struct sending sending = sending_of(connection);
    struct reading now;
    if (!connection->had_peer)
        return false;
    if (holds(&connection->peer_reading, &sending, record))
        return true;
    if (!connection->peer)
        return false;
    now = reading_of(connection->peer);
    return holds(&now, &sending, record);
}

bool pairs_covers_loss(const struct connection *connection)
{
    const struct connection *peer = connection->peer;
    uint64_t position = peer ? peer->sides[DIRECTION_B_TO_A].position
                             : connection->peer_reading.position;
    return connection->had_peer && position > 0 &&
           connection->sides[DIRECTION_B_TO_A].position == 0;
}

static void drop_duplicate(struct streams *streams, struct record *record)
{
    streams->counters.seen--;
    streams->counters.duplicates++;
    record_unref(&record);
}

/* The server's end is not wanted; this one would only be logged in its place. */
static bool is_silenced(const struct connection *connection)
{
    return connection->peer ? connection->peer->is_silent : connection->had_silent_peer;
}

static void drop_silenced(struct streams *streams, struct record *record)
{
    streams->counters.silenced++;
    record_unref(&record);
}

static void log_client_end(struct connection *connection, struct connection *peer,
                           struct record *record, struct streams *streams)
{
    uint64_t until = request_position(record) + 1;
    if (connection && connection->logged_until < until)
        connection->logged_until = until;
    if (peer && peer->peer_logged_until < until)
        peer->peer_logged_until = until;
    completion_deliver(streams, record);
}

static void decide_datagram(struct connection *connection, struct record *record, bool is_client)
{
    /* An answer may be told of before its question, which another thread of the client sends. */
    bool is_answer_alone = record->response_time_ns && connection->had_peer &&
                           record_has_flag(record, RECORD_FLAG_UNPAIRED);
    if (is_client && (is_answer_alone || datagram_pairs_take(connection, record)))
        drop_duplicate(connection->streams, record);
    else
        completion_deliver(connection->streams, record);
}

void pairs_decide(struct connection *connection, struct record *record, bool is_client)
{
    struct streams *streams = connection->streams;
    struct connection *peer = connection->peer;
    if (streams->options.with_both_sides && record->time_ns >= streams->both_sides_since_ns) {
        completion_deliver(streams, record);
    } else if (connection->emitter.is_datagram) {
        decide_datagram(connection, record, is_client);
    } else if (!is_client) {
        bool is_logged = !connection->is_late && record->heads[0].bytes.data &&
                         request_position(record) < connection->peer_logged_until;
        if (is_logged)
            drop_duplicate(streams, record);
        else
            completion_deliver(streams, record);
    } else if (is_silenced(connection)) {
        drop_silenced(streams, record);
    } else if (is_read_by_peer(connection, record)) {
        drop_duplicate(streams, record);
    } else if (peer && !record->response_time_ns && peer->held_count < STREAMS_HELD_MAXIMUM) {
        record->next = peer->held;
        peer->held = record;
        peer->held_count++;
        streams->held_count++;
    } else {
        log_client_end(connection, peer, record, streams);
    }
}

void pairs_settle(struct connection *connection, uint64_t now_ns, bool is_over)
{
    struct streams *streams = connection->streams;
    struct reading reading = reading_of(connection);
    struct sending sending = connection->peer ? sending_of(connection->peer)
                                              : connection->peer_sending;
    struct record **at = &connection->held;
    while (*at) {
        struct record *record = *at;
        bool is_read = holds(&reading, &sending, record);
        if (!is_read && !is_over && !connection->is_silent &&
            now_ns < record->time_ns + STREAMS_HOLD_NS) {
            at = &record->next;
            continue;
        }
        *at = record->next;
        record->next = NULL;
        connection->held_count--;
        streams->held_count--;
        if (connection->is_silent)
            drop_silenced(streams, record);
        else if (is_read)
            drop_duplicate(streams, record);
        else
            log_client_end(connection->peer, connection, record, streams);
    }
}
