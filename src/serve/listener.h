/*
 * listener: weir's own HTTP endpoint, on a thread of its own: /metrics for Prometheus, /healthz.
 * Few connections, short timeouts, GET and HEAD only; nothing that a client sends is kept.
 */
#pragma once
#include "refine/metrics.h"

enum { LISTENER_CONNECTIONS_MAXIMUM = 16, LISTENER_TIMEOUT_SECONDS = 10 };

struct listener;

/*
 * `where`: PORT, ADDRESS:PORT or [ADDRESS]:PORT; without an address the loopback one. 0, or -errno
 * and a message. `metrics` must live as long as the listener.
 */
int listener_new(const char *where, struct metrics *metrics, struct listener **ret_listener,
                 char message[256]);
/* The port that it listens at, which port 0 leaves to the kernel. */
unsigned listener_port(const struct listener *listener);
void listener_free(struct listener **listener);
