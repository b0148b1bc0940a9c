/* pipeline: ties the stages together; the only place that names them all. */
#pragma once
#include "config/run_options.h"

/* Captures until a signal, the duration or the record limit ends it. An exit status. */
int pipeline_run(const struct run_options *options);
