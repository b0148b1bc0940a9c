/* packet_record: a packet as a record, one field for each header element. */
#pragma once
#include "contract/packet.h"
#include "model/record.h"

struct packet_record_options {
    const char *source; /* field `source`, static */
    uint64_t id;        /* field `id` */
};

/* NULL when memory is out. The reference is the caller's. */
struct record *packet_record_make(const struct packet *packet,
                                  const struct packet_record_options *options);
