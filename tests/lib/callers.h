/* callers: processes whose calls and connections tests of iLogtail's rows look at. */
#pragma once
#include "encode/encoder.h"
#include "refine/observer.h"

#define CALLERS_TIME_NS (1661417038 * 1000000000ull)

enum { CALLERS = 4 };

/* Who calls. Each has a path of its own, which tells its row. */
struct caller {
    const char *path, *command, *container, *label, *variable, *pod, *space, *pod_label, *remote;
    uint64_t pid;
};
/* The first two are in containers, the last one's calls stay on this host. */
extern const struct caller callers[CALLERS];

/* A call of any protocol (enum observer_protocol), of which `path` tells one from another. */
struct record *callers_call(const struct caller *caller, unsigned protocol, const char *role,
                            const char *path);
/* `type`: connection, or statistics while it lives. */
struct record *callers_connection(const struct caller *caller, const char *type, uint64_t sent,
                                  uint64_t received);
/* Takes the caller's reference. */
enum observer_verdict callers_take(struct observer *observer, struct record *record);
/* An observer for rows of `encoder_ilogtail`, of `encoder_ilogtail_schema`. */
struct observer *callers_start(const struct observer_options *options, bool is_schema);
/* The next row as the encoder writes it, until the next call; NULL: there is none. */
const char *callers_row(struct observer *observer, const struct encoder *encoder);
