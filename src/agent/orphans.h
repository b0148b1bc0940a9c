/* orphans: spools beside those in use that no sink owns any more. */
#pragma once
#include "agent/outputs.h"

/*
 * Tells on stderr of spools in the same directories as those of the sinks which hold records and
 * have no owner: of sinks that were taken out of the configuration. Where no sink has a spool, the
 * directories of $STATE_DIRECTORY are looked into. All are left as they are, to the byte.
 */
void orphans_tell(const struct outputs *outputs);
