/*
 * datagram_pairs: a question over UDP that one process of this host asks another is seen twice. The
 * one that has received it is logged. Which datagrams were received is remembered by their ports
 * and first bytes, in a table of fixed size: of one that is forgotten both ends are logged.
 */
#include "base/allocate.h"
#include "track/connection.h"

enum {
    REMEMBERED = 32768,
    GROUP = 8,   /* places of one datagram: a cache line */
    IS_READ = 1, /* in record.datagram: it began with one that was received */
    COUNT_MAXIMUM = 255,
    COMPARED_BYTES = 96, /* of a datagram: identifier and question, connection ids */
};

/* How often such a datagram was received lies in the lowest byte. */
struct datagram_pairs {
    uint64_t entries[REMEMBERED];
};

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
    return hash ^ hash >> 29;
}

static uint64_t hash_of(uint16_t from, uint16_t to, struct slice bytes)
{
    uint64_t hash = mix((uint64_t)from << 16 | to, bytes.length), word;

    bytes = slice_part(bytes, 0, COMPARED_BYTES);
    for (size_t at = 0; at < bytes.length; at += sizeof(word)) {
        size_t length = bytes.length - at < sizeof(word) ? bytes.length - at : sizeof(word);

        word = 0;
        memcpy(&word, bytes.data + at, length);
        hash = mix(hash, word);
    }
    return hash & ~(uint64_t)COUNT_MAXIMUM;
}

void datagram_pairs_see(struct connection *connection, enum direction direction, struct slice bytes)
{
    bool is_read = direction == DIRECTION_B_TO_A;
    uint16_t local = connection->local.port, remote = connection->remote.port;

    connection->datagram = hash_of(is_read ? remote : local, is_read ? local : remote, bytes);
    connection->is_datagram_read = is_read;
}

static bool is_same(uint64_t entry, uint64_t datagram)
{
    return (entry & COUNT_MAXIMUM) && (entry & ~(uint64_t)COUNT_MAXIMUM) == datagram;
}

/* Where it is, or with `is_new` where it is to be put; NULL: it is not there. */
static uint64_t *place_of(struct streams *streams, uint64_t datagram, bool is_new)
{
    size_t group = (datagram >> 16) % (REMEMBERED / GROUP) * GROUP;
    uint64_t *entries = &streams->datagram_pairs->entries[group], *unused = NULL;

    for (size_t i = 0; i < GROUP; i++) {
        if (is_same(entries[i], datagram))
            return &entries[i];
        if (!(entries[i] & COUNT_MAXIMUM))
            unused = &entries[i];
    }
    if (!is_new)
        return NULL;
    if (!unused)
        unused = &entries[(datagram >> 8) % GROUP]; /* it has waited for long, most likely */
    *unused = datagram;
    return unused;
}

/* Of other sources each end is told once anyway. */
static bool is_with_processes(const struct connection *connection)
{
    return !connection->is_observed && connection->local.port && connection->remote.port;
}

void datagram_pairs_begin(struct connection *connection, struct record *record)
{
    struct streams *streams = connection->streams;
    uint64_t *place;

    record->datagram = connection->datagram | connection->is_datagram_read;
    if (!connection->is_datagram_read || !is_with_processes(connection))
        return;
    if (!streams->datagram_pairs)
        streams->datagram_pairs = allocate_zeroed(sizeof(*streams->datagram_pairs));
    if (!streams->datagram_pairs)
        return;
    place = place_of(streams, connection->datagram, true);
    if ((*place & COUNT_MAXIMUM) < COUNT_MAXIMUM)
        ++*place;
}

bool datagram_pairs_take(struct connection *connection, const struct record *record)
{
    struct streams *streams = connection->streams;
    uint64_t *place = NULL;

    if (streams->datagram_pairs && !(record->datagram & IS_READ) && is_with_processes(connection))
        place = place_of(streams, record->datagram, false);
    if (!place)
        return false;
    --*place;
    return true;
}
