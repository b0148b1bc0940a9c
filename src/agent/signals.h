/* signals: those that a capture listens to, as a descriptor. */
#pragma once

/* SIGINT, SIGTERM, SIGHUP and SIGPIPE are blocked from now on; a signalfd, or -1. */
int signals_block(void);
