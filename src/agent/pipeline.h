/* pipeline: ties the stages together; the only place that names them all. */
#pragma once
#include "agent/setup.h"

/*
 * Captures until a signal, the duration or the record limit ends it. An exit status. At SIGHUP the
 * setup is loaded again from `arguments`; *setup is then the one in force, still the caller's.
 */
int pipeline_run(struct setup **setup, char *const *arguments);
