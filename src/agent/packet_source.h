/*
 * packet_source: live packets from capture to records: frames through decode, flows and streams,
 * the kernel's counts of flows through summaries. What the socket source sees as well is logged
 * once.
 */
#pragma once
#include "agent/delivery.h"
#include "agent/totals.h"
#include "capture/packets.h"
#include "config/run_options.h"
#include "contract/source.h"

struct packet_source;

/* `on_record` gets the records, with their references. The options are copied. 0; or -errno, told
 * on stderr: -EPERM and -EOPNOTSUPP when the kernel refuses. */
int packet_source_new(const struct run_options *options, const struct prefilter *prefilter,
                      void *context, void (*on_record)(void *context, struct record *record),
                      struct packet_source **ret_source);
void packet_source_free(struct packet_source **source);
/* The socket source's events on their way to `next`: what it sees is told once. */
struct stream_listener packet_source_listen(struct packet_source *source,
                                            const struct stream_listener *next);
/* A record of this closed socket is logged: it stands for that of the flow as well. */
void packet_source_note(struct packet_source *source, const struct flow_summary *socket);
/* Begins to capture; call when the socket source does already. As packet_source_new. */
int packet_source_start(struct packet_source *source);
/* What is wanted from now on, and which names are masked besides those that always are. 0 or
 * -errno: nothing else is wanted now. */
int packet_source_change(struct packet_source *source, const struct prefilter *prefilter,
                         const struct text_list *mask_names);
/* How often living flows are told of from now on. */
void packet_source_change_statistics(struct packet_source *source, uint64_t interval_ns);
/* What is used, for people; NULL before the start. */
const char *packet_source_hook(const struct packet_source *source);
int packet_source_descriptor(const struct packet_source *source);
/*
 * Takes what the ring holds, and does what is due. Until `claimed_ns` (since 1970) the better
 * source has claimed all that it sees. The number of ring records, or -errno.
 */
int packet_source_drain(struct packet_source *source, uint64_t claimed_ns);
/* Everything that is open is told. Call packet_source_drain afterwards no more. */
void packet_source_end(struct packet_source *source);
void packet_source_add_totals(struct packet_source *source, struct totals *totals);
/* What does not stand in the totals. */
void packet_source_tell(struct packet_source *source, FILE *file);
