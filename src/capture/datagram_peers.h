/*
 * datagram_peers: the programs of a cgroup that tell rung tracepoint from whom UDP sockets receive.
 * They are attached to the root of the unified hierarchy, beside whatever is there, and let all
 * pass. Where they cannot be had, an unconnected socket's datagrams come from an unknown end.
 */
#pragma once
#include "capture/program.h"

/* Before the object is loaded: are they to be loaded too? */
void datagram_peers_prepare(struct weir *skeleton);
/* What was loaded is attached. */
void datagram_peers_attach(struct capture *capture);
void datagram_peers_detach(struct capture *capture);
/* Can they be had? Else why not. */
bool datagram_peers_survey(char *message, size_t size);
