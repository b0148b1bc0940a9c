/* claims: see the header. A closed claim waits in a list by age. */
#include "track/claims.h"
#include <errno.h>
#include "base/allocate.h"
#include "base/table.h"

#define HOLD_NS 300000000ull             /* with a response: the server has read before it */
#define HOLD_UNANSWERED_NS 2000000000ull /* it may not have read yet */
#define REMEMBER_NS 10000000000ull       /* behind the end of a connection */
enum { HELD_MAXIMUM = 65536 };           /* beyond it they are decided at once */

struct claim {
    uint64_t key;
    uint64_t ids[2];             /* of the source's connections: both ends can be on this host */
    uint64_t closed_ns;          /* 0: it lives */
    struct claim *newer, *older; /* among the closed ones */
};

struct claims {
    struct table by_ends, by_id;
    struct claim *newest, *oldest;   /* closed */
    struct record *held, **held_end; /* in the order of coming */
    size_t held_count;
    uint64_t duplicates;
    struct stream_listener next;
};

static uint64_t hash_end(const struct endpoint *end)
{
    uint64_t hash = 0xcbf29ce484222325ull ^ end->port;

    for (size_t i = 0; i < sizeof(end->address.bytes); i++)
        hash = (hash ^ end->address.bytes[i]) * 0x100000001b3ull;
    hash ^= (uint64_t)end->address.family << 56;
    return hash * 0x9e3779b97f4a7c15ull;
}

/* The same for both ways. */
static uint64_t key_of(const struct endpoint *a, const struct endpoint *b)
{
    uint64_t one = hash_end(a), other = hash_end(b);

    return (one + other) ^ (one ^ other) >> 17;
}

int claims_new(size_t maximum, struct claims **ret_claims)
{
    struct claims *claims = allocate_zeroed(sizeof(*claims));

    if (!claims)
        return -ENOMEM;
    table_init(&claims->by_ends, maximum);
    table_init(&claims->by_id, 2 * maximum);
    claims->held_end = &claims->held;
    *ret_claims = claims;
    return 0;
}

static void closed_remove(struct claims *claims, struct claim *claim)
{
    if (!claim->closed_ns)
        return;
    *(claim->newer ? &claim->newer->older : &claims->newest) = claim->older;
    *(claim->older ? &claim->older->newer : &claims->oldest) = claim->newer;
    claim->newer = claim->older = NULL;
    claim->closed_ns = 0;
}

static void claim_free(struct claims *claims, struct claim *claim)
{
    closed_remove(claims, claim);
    for (int i = 0; i < 2; i++)
        if (claim->ids[i])
            table_remove(&claims->by_id, claim->ids[i]);
    table_remove(&claims->by_ends, claim->key);
    deallocate(claim);
}

void claims_free(struct claims **claims)
{
    struct claims *one;

    if (!claims || !*claims)
        return;
    one = *claims;
    for (size_t i = 0; i < one->by_ends.capacity; i++)
        deallocate(one->by_ends.slots[i].value);
    while (one->held) {
        struct record *record = one->held;

        one->held = record->next;
        record->next = NULL;
        record_unref(&record);
    }
    table_done(&one->by_ends);
    table_done(&one->by_id);
    deallocate(one);
    *claims = NULL;
}

/* The claim between these ends, made when there is none; NULL: no memory. */
static struct claim *claim_get(struct claims *claims, const struct endpoint *a,
                               const struct endpoint *b)
{
    uint64_t key = key_of(a, b);
    struct claim *claim = table_find(&claims->by_ends, key);

    if (claim)
        return claim;
    if (claims->by_ends.count >= claims->by_ends.maximum && claims->oldest)
        claim_free(claims, claims->oldest);
    claim = allocate_zeroed(sizeof(*claim));
    if (!claim)
        return NULL;
    claim->key = key;
    if (table_set(&claims->by_ends, key, claim)) {
        deallocate(claim);
        return NULL;
    }
    return claim;
}

static void claim_add(struct claims *claims, const struct stream_open *open)
{
    struct claim *claim = claim_get(claims, &open->local, &open->remote);
    int at;

    if (!claim)
        return;
    closed_remove(claims, claim);
    at = claim->ids[0] ? 1 : 0;
    if (claim->ids[at])
        table_remove(&claims->by_id, claim->ids[at]);
    claim->ids[at] = table_set(&claims->by_id, open->connection, claim) ? 0 : open->connection;
}

/* Nobody uses it any more: it is forgotten some time later. */
static void claim_retire(struct claims *claims, struct claim *claim, uint64_t time_ns)
{
    if (claim->ids[0] || claim->ids[1])
        return;
    closed_remove(claims, claim);
    claim->closed_ns = time_ns ? time_ns : 1;
    claim->older = claims->newest;
    *(claims->newest ? &claims->newest->newer : &claims->oldest) = claim;
    claims->newest = claim;
}

void claims_note(struct claims *claims, const struct endpoint *a, const struct endpoint *b,
                 uint64_t now_ns)
{
    struct claim *claim = claim_get(claims, a, b);

    if (claim)
        claim_retire(claims, claim, now_ns);
}

static void claim_close(struct claims *claims, uint64_t id, uint64_t time_ns)
{
    struct claim *claim = table_remove(&claims->by_id, id);

    if (!claim)
        return;
    for (int i = 0; i < 2; i++)
        if (claim->ids[i] == id)
            claim->ids[i] = 0;
    claim_retire(claims, claim, time_ns);
}

static void on_open(void *context, const struct stream_open *open)
{
    struct claims *claims = context;

    if (!open->is_unix)
        claim_add(claims, open);
    claims->next.on_open(claims->next.context, open);
}

static void on_data(void *context, const struct stream_data *data)
{
    struct claims *claims = context;

    claims->next.on_data(claims->next.context, data);
}

static void on_end(void *context, const struct stream_end *end)
{
    struct claims *claims = context;

    claims->next.on_end(claims->next.context, end);
}

static void on_close(void *context, uint64_t connection, uint64_t time_ns, bool was_reset)
{
    struct claims *claims = context;

    claim_close(claims, connection, time_ns);
    claims->next.on_close(claims->next.context, connection, time_ns, was_reset);
}

struct stream_listener claims_listener(struct claims *claims, const struct stream_listener *next)
{
    struct stream_listener listener = {.context = claims,
                                       .on_open = on_open,
                                       .on_data = on_data,
                                       .on_end = on_end,
                                       .on_close = on_close};

    claims->next = *next;
    return listener;
}

bool claims_has(const struct claims *claims, const struct endpoint *a, const struct endpoint *b)
{
    return table_find(&claims->by_ends, key_of(a, b));
}

static bool end_of(struct record *record, enum field_id address, enum field_id port,
                   struct endpoint *ret_end)
{
    const struct value *one = record_find(record, address), *other = record_find(record, port);

    memset(ret_end, 0, sizeof(*ret_end));
    if (!one || !other)
        return false;
    ret_end->address = *one->address;
    ret_end->port = (uint16_t)other->number;
    return true;
}

/* A UDP socket that is bound to no address is claimed by its port and the other end. */
static bool is_claimed(const struct claims *claims, struct record *record)
{
    struct endpoint client, server, port;

    if (!end_of(record, FIELD_CLIENT_ADDRESS, FIELD_CLIENT_PORT, &client) ||
        !end_of(record, FIELD_SERVER_ADDRESS, FIELD_SERVER_PORT, &server))
        return false;
    if (claims_has(claims, &client, &server))
        return true;
    port = (struct endpoint){.port = client.port};
    if (claims_has(claims, &port, &server))
        return true;
    port.port = server.port;
    return claims_has(claims, &client, &port);
}

void claims_hold(struct claims *claims, struct record *record)
{
    record->next = NULL;
    *claims->held_end = record;
    claims->held_end = &record->next;
    claims->held_count++;
}

static bool is_due(const struct claims *claims, const struct record *record, uint64_t now_ns)
{
    uint64_t hold = record->response_time_ns ? HOLD_NS : HOLD_UNANSWERED_NS;
    uint64_t last = record->response_time_ns > record->time_ns ? record->response_time_ns
                                                               : record->time_ns;

    if (record->end_time_ns > last)
        last = record->end_time_ns;
    return claims->held_count > HELD_MAXIMUM || now_ns >= last + hold;
}

void claims_settle(struct claims *claims, uint64_t now_ns, bool is_end, void *context,
                   void (*on_record)(void *context, struct record *record))
{
    struct record **at = &claims->held;

    while (*at) {
        struct record *record = *at;

        if (!is_end && !is_due(claims, record, now_ns)) {
            at = &record->next;
            continue;
        }
        *at = record->next;
        record->next = NULL;
        claims->held_count--;
        if (is_claimed(claims, record)) {
            claims->duplicates++;
            record_unref(&record);
        } else {
            on_record(context, record);
        }
    }
    claims->held_end = at;
    while (claims->oldest && now_ns > claims->oldest->closed_ns + REMEMBER_NS)
        claim_free(claims, claims->oldest);
}

uint64_t claims_duplicates(const struct claims *claims)
{
    return claims->duplicates;
}
