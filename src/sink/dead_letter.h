/* dead_letter: records that a receiver will never take, kept in a file with the reason. */
#pragma once
#include "contract/sink.h"

/*
 * Appends a JSON line for each rejected record of the batch; NULL: does nothing. A file that has
 * grown to 64 MiB becomes PATH.1, of which there is one. What cannot be written is left out.
 */
void dead_letter_write(const char *path, const char *sink, const struct sink_batch *batch);
