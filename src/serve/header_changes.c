#include "serve/header_changes.h"
#include <errno.h>
#include "base/allocate.h"

/* The header of that name which comes as the `nth` of them, from 0; NULL: none. */
static const struct log_header *nth_of_name(const struct log_headers *headers, struct slice name,
                                            size_t nth)
{
    for (size_t i = 0; i < headers->count; i++)
        if (slice_is_equal_ignoring_case(headers->items[i].name, name) && nth-- == 0)
            return &headers->items[i];
    return NULL;
}

/* How many of its name come before it. */
static size_t rank_of(const struct log_headers *headers, size_t index)
{
    size_t rank = 0;

    for (size_t i = 0; i < index; i++)
        rank += slice_is_equal_ignoring_case(headers->items[i].name, headers->items[index].name);
    return rank;
}

static void add(struct header_changes *changes, enum header_change_kind kind,
                const struct log_header *before, const struct log_header *after)
{
    struct header_change *change = &changes->items[changes->count++];

    *change = (struct header_change){.kind = kind, .name = after ? after->name : before->name};
    if (before)
        change->before = before->value;
    if (after)
        change->after = after->value;
}

int header_changes_find(const struct log_headers *before, const struct log_headers *after,
                        struct header_changes *ret_changes)
{
    struct header_changes changes = {.count = 0};

    changes.items = allocate((before->count + after->count + 1) * sizeof(*changes.items));
    if (!changes.items)
        return -ENOMEM;
    for (size_t i = 0; i < before->count; i++) {
        const struct log_header *old = &before->items[i];
        const struct log_header *new = nth_of_name(after, old->name, rank_of(before, i));

        if (!new)
            add(&changes, HEADER_REMOVED, old, NULL);
        else if (!slice_is_equal(old->value, new->value))
            add(&changes, HEADER_CHANGED, old, new);
        else
            changes.kept++;
    }
    for (size_t i = 0; i < after->count; i++)
        if (!nth_of_name(before, after->items[i].name, rank_of(after, i)))
            add(&changes, HEADER_ADDED, NULL, &after->items[i]);
    *ret_changes = changes;
    return 0;
}

void header_changes_done(struct header_changes *changes)
{
    deallocate(changes->items);
    *changes = (struct header_changes){.count = 0};
}
