/* other_end: names of the end of a connection that is not the record's own. */
#pragma once
#include "config/run_options.h"
#include "model/record.h"

struct kubernetes;
struct other_end;

/* 0, -ENOMEM or -errno. `kubernetes`: may be NULL; lives longer. */
int other_end_new(const struct run_options *options, struct kubernetes *kubernetes,
                  struct other_end **ret_other_end);
void other_end_free(struct other_end **other_end);

/* Learns from answers of DNS. */
void other_end_learn(struct other_end *other_end, const struct record *record, uint64_t now_ns);
/* Adds what is known. Does not block. */
void other_end_name(struct other_end *other_end, struct record *record, uint64_t now_ns);
