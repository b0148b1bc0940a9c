/* output_rows: of a sink whose format is sums of records: what goes in, and the rows that come out.
 */
#pragma once
#include "agent/outputs.h"

/* Makes the sink's observer where its format needs one; no encoder: of metrics. 0 or -errno. */
int output_rows_open(struct output *output, const struct encoder *encoder,
                     const struct outputs_options *options);
/* With other options, once all its rows are closed and taken. 0, or -errno: it is as it was. */
int output_rows_renew(struct output *output, const struct encoder *encoder,
                      const struct outputs_options *options);
/* Takes a record up. Records about losses have no row. */
void output_rows_take(struct output *output, const struct record *record, bool is_counted);
/* The next row of those that are closed; NULL: none. Lost ones are counted. */
struct record *output_rows_next(struct output *output);
/* Closes rows whose time has come. UINT64_MAX: all. */
void output_rows_tick(struct output *output, uint64_t now_ns);
