/* read_pipeline: the stages over capture files: file -> decode -> track -> parse -> delivery. */
#pragma once
#include "config/read_options.h"

/* Reads all files, or until a signal or the record limit ends it. An exit status. */
int read_pipeline_run(const struct read_options *options);
