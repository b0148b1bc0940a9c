/*
 * naming: the names of a connection's ends are looked up once for many of its records. They are
 * kept with the values that all of its records have (model/common_values), and looked up anew when
 * one of the sources has learned something, and after a while in any case.
 */
#pragma once
#include "model/record.h"

/* What becomes untrue by time alone is told for so much longer, and sources are asked so rarely. */
#define NAMING_KEPT_NS 250000000ull

/* A source knows more, less or something else than before. Any thread may call it. */
void naming_changed(void);

/* What to hand to the functions below: as it was before the names were looked up. */
uint64_t naming_version(void);

/* Adds the names if they are known still. False: they are to be looked up. */
bool naming_recall(struct record *record, uint64_t version, uint64_t now_ns);

/*
 * The names are all that was added to the record from the value `first` on, and no more are on
 * their way. They are kept when they were looked up for the second time.
 */
void naming_keep(struct record *record, uint32_t first, uint64_t version, uint64_t now_ns);
