/*
 * dns_open: the queries of one flow that wait for their answer, found by id and question, and in
 * the order of their age. Places are reused; indexes are one more than the place, 0 is none.
 */
#include "base/allocate.h"
#include "parse/dns.h"

static struct dns_query *queries_of(struct dns_open *open)
{
    return open->queries ? open->queries : open->inline_queries;
}

static uint32_t *bucket_of(struct dns_open *open, const struct dns_query *query)
{
    uint32_t *buckets = open->queries ? open->buckets : open->inline_buckets;

    return &buckets[(query->id ^ (uint32_t)query->client << 3) & (open->capacity - 1)];
}

/* Puts the query at a place that is known to be free. */
static struct dns_query *place(struct dns_open *open, uint32_t index, const struct dns_query *query)
{
    struct dns_query *queries = queries_of(open), *placed = &queries[index - 1];
    uint32_t *bucket = bucket_of(open, query);

    *placed = *query;
    placed->next = *bucket;
    *bucket = index;
    placed->newer = 0;
    placed->older = open->newest;
    if (open->newest)
        queries[open->newest - 1].newer = index;
    else
        open->oldest = index;
    open->newest = index;
    open->count++;
    return placed;
}

static void free_places(struct dns_open *open, uint32_t from)
{
    struct dns_query *queries = queries_of(open);

    for (uint32_t i = open->capacity; i > from; i--) {
        queries[i - 1].next = open->free;
        open->free = i;
    }
}

static bool grow(struct dns_open *open)
{
    struct dns_open old = *open;
    uint32_t capacity = old.capacity ? old.capacity * 8 : DNS_OPEN_INLINE;

    if (capacity > DNS_OPEN_MAXIMUM)
        capacity = DNS_OPEN_MAXIMUM;
    if (old.capacity) {
        struct dns_query *queries =
            allocate_zeroed(capacity * (sizeof(*queries) + sizeof(*open->buckets)));

        if (!queries)
            return false;
        open->queries = queries;
        open->buckets = (uint32_t *)(queries + capacity);
    }
    open->capacity = capacity;
    open->count = open->free = open->oldest = open->newest = 0;
    struct dns_query *from = queries_of(&old);
    for (uint32_t at = old.oldest; at; at = from[at - 1].newer)
        place(open, open->count + 1, &from[at - 1]);
    free_places(open, open->count);
    deallocate(old.queries);
    return true;
}

struct dns_query *dns_open_add(struct dns_open *open, const struct dns_query *query)
{
    if (!open->free && (open->capacity >= DNS_OPEN_MAXIMUM || !grow(open)))
        return NULL;
    uint32_t index = open->free;
    open->free = queries_of(open)[index - 1].next;
    return place(open, index, query);
}

struct dns_query *dns_open_find(struct dns_open *open, const struct dns_query *like)
{
    struct dns_query *queries = queries_of(open), *found = NULL;

    if (!open->count)
        return NULL;
    for (uint32_t at = *bucket_of(open, like); at; at = queries[at - 1].next) {
        struct dns_query *query = &queries[at - 1];
        bool is_same = !query->has_question || !like->has_question ||
                       query->question_hash == like->question_hash;

        if (query->id == like->id && query->client == like->client && is_same)
            found = query;
    }
    return found;
}

struct dns_query *dns_open_crowding(struct dns_open *open, const struct dns_query *like)
{
    struct dns_query *queries = queries_of(open), *last = NULL;
    uint32_t count = 0;

    if (!open->count)
        return NULL;
    for (uint32_t at = *bucket_of(open, like); at; at = queries[at - 1].next, count++)
        last = &queries[at - 1];
    return count >= DNS_SAME_MAXIMUM ? last : NULL;
}

struct dns_query *dns_open_oldest(struct dns_open *open)
{
    return open->oldest ? &queries_of(open)[open->oldest - 1] : NULL;
}

void dns_open_remove(struct dns_open *open, struct dns_query *query)
{
    struct dns_query *queries = queries_of(open);
    uint32_t index = (uint32_t)(query - queries) + 1;
    uint32_t *link = bucket_of(open, query);

    while (*link != index)
        link = &queries[*link - 1].next;
    *link = query->next;
    *(query->newer ? &queries[query->newer - 1].older : &open->newest) = query->older;
    *(query->older ? &queries[query->older - 1].newer : &open->oldest) = query->newer;
    query->next = open->free;
    open->free = index;
    open->count--;
}

void dns_open_done(struct dns_open *open)
{
    deallocate(open->queries);
    *open = (struct dns_open){.queries = NULL};
}
