/*
 * observer_names: the names that addresses were the answers to, from DNS exchanges that were seen.
 * A table of fixed size: a newcomer takes the place of another with the same hash.
 */
#pragma once
#include "model/record.h"

struct observer_names;

/* 0 or -ENOMEM. */
int observer_names_new(struct observer_names **ret_names);
void observer_names_free(struct observer_names **names);
/* A DNS exchange: its answers' addresses have the name that was asked for. */
void observer_names_learn(struct observer_names *names, const struct record *record);
/* Empty: none is known. Valid until the next one is learned. */
struct slice observer_names_find(const struct observer_names *names, const struct address *address);
