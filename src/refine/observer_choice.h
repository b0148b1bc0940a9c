/* observer_choice: whose rows the configuration includes and excludes. */
#pragma once
#include "config/observer_options.h"
#include "model/record.h"

struct observer_choice;

/* 0, or -ENOMEM; expressions that are wrong were refused when they were read. */
int observer_choice_new(const struct observer_options *options,
                        struct observer_choice **ret_choice);
void observer_choice_free(struct observer_choice **choice);
/* A record passes when every kind that is included matches, and none that is excluded. */
bool observer_choice_takes(const struct observer_choice *choice, const struct record *record,
                           struct slice command);
