/*
 * log_record: a line of weir's JSON log, read back. Only what the readers of logs use is taken out;
 * what is absent or of another kind than it should be is empty or 0.
 */
#pragma once
#include "base/slice.h"

enum { LOG_RECORD_LINE_MAXIMUM = 4 * 1024 * 1024 };

struct log_header {
    struct slice name, value;
};

struct log_headers {
    struct log_header *items;
    size_t count;
};

struct log_process {
    uint64_t pid;
    struct slice command;
};

/* All slices live as long as the record. */
struct log_record {
    void *document;
    uint8_t *line_bytes;
    struct slice line;
    struct slice type, id, trace, trace_id, request_id, connection_id;
    struct slice role, method, target, domain, client_address, server_address;
    uint64_t time_ns, duration_ns, ttfb_ns, status, client_port, server_port;
    bool has_duration, has_ttfb;
    uint64_t client_rtt_ns, server_rtt_ns; /* the shortest of a request's, else the usual one */
    uint64_t server_queue_ns, client_queue_ns;
    struct log_process process, peer;
    struct log_headers request, response;
};

/* 0, -EINVAL (no JSON object) or -ENOMEM. */
int log_record_parse(struct slice line, struct log_record **ret_record);
void log_record_free(struct log_record **record);
