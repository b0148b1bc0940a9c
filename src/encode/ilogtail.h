/*
 * ilogtail: what the two dialects of iLogtail's network observer have in common. Rows are made from
 * records of the types `calls` and `statistics` (refine/observer); other records have no row, and
 * nothing is appended for them.
 */
#pragma once
#include "encode/encoder.h"
#include "encode/writer.h"

/* A row's record and the places of its fields. */
struct ilogtail_row {
    struct writer writer;
    const struct record *record;
    uint8_t index[FIELD_COUNT];
    bool is_server;
    bool has_member; /* a comma is needed */
};

enum { ILOGTAIL_HTTP, ILOGTAIL_DATABASE, ILOGTAIL_DNS, ILOGTAIL_QUEUE, ILOGTAIL_UNKNOWN };

/* False: no row is made of such a record. */
bool ilogtail_begin(struct ilogtail_row *row, const struct record *record, struct buffer *buffer);
int ilogtail_end(struct ilogtail_row *row);

bool ilogtail_is_calls(const struct ilogtail_row *row);
/* What the connection carries, as far as it is known. */
int ilogtail_category(const struct ilogtail_row *row);

/* Empty, 0: absent. */
struct slice ilogtail_text(const struct ilogtail_row *row, enum field_id field);
uint64_t ilogtail_number(const struct ilogtail_row *row, enum field_id field);
/* host, container or kubernetes. */
struct slice ilogtail_mode(const struct ilogtail_row *row);
/* The controller that the pod belongs to. */
struct slice ilogtail_workload(const struct ilogtail_row *row);
struct slice ilogtail_version(const struct ilogtail_row *row);
/* Address and port of the other end or of this one; 0: not known. */
const struct address *ilogtail_end_address(const struct ilogtail_row *row, bool is_remote);
uint64_t ilogtail_end_port(const struct ilogtail_row *row, bool is_remote);

/* Each writes a member of the row's object: "name": and a string, or a number. */
void ilogtail_put_text(struct ilogtail_row *row, const char *name, struct slice text);
void ilogtail_put_number(struct ilogtail_row *row, const char *name, uint64_t number, bool is_text);
void ilogtail_put_tags(struct ilogtail_row *row);
