/*
 * header_changes: what somebody in the middle did to a list of headers: those of one name (in any
 * case) are compared in their order.
 */
#pragma once
#include "serve/log_record.h"

enum header_change_kind { HEADER_ADDED, HEADER_REMOVED, HEADER_CHANGED };

struct header_change {
    enum header_change_kind kind;
    struct slice name;          /* as sent behind the middle; of removed ones before it */
    struct slice before, after; /* values; the one that is not there is empty */
};

struct header_changes {
    struct header_change *items;
    size_t count;
    size_t kept; /* headers that are equal on both sides */
};

/* 0 or -ENOMEM. Free with header_changes_done; the slices are those of the lists. */
int header_changes_find(const struct log_headers *before, const struct log_headers *after,
                        struct header_changes *ret_changes);
void header_changes_done(struct header_changes *changes);
