/* outputs_watch: telling of sinks that do not get rid of their records. */
#pragma once
#include "agent/outputs.h"

/* Tells on stderr of sinks that have failed for a while, and that they are well again. Call often.
 */
void outputs_watch(struct outputs *outputs);
/*
 * All sinks begin to close; waits until they have sent or stored what they had, or their time is
 * over, or SIGINT or SIGTERM comes from `signals`, a signalfd (-1: none). Tells of those that last.
 */
void outputs_wait(struct outputs *outputs, int signals);
