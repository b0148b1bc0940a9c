/*
 * record_build: the pieces packet records are made of: lists of small objects, and numbers as
 * text. What does not fit (memory, OBJECTS_MAXIMUM) is left out and the record flagged.
 */
#pragma once
#include "decode/packet_record.h"

struct build {
    struct record *record;
    const struct packet *packet;
    const struct packet_record_options *options;
};

enum { OBJECTS_MAXIMUM = 64, MEMBERS_MAXIMUM = 20 };

/* A list of objects that grows: begin, members, begin, members, ..., build_objects. */
struct objects {
    struct record *record;
    struct object list[OBJECTS_MAXIMUM];
    uint32_t count;
    struct member members[MEMBERS_MAXIMUM]; /* of the last object, so far */
    uint32_t member_count;
    bool is_open;
};

static inline void objects_init(struct objects *objects, struct record *record)
{
    objects->record = record;
    objects->count = objects->member_count = 0;
    objects->is_open = false;
}
/* Closes the object before. False: there are too many. */
bool objects_begin(struct objects *objects);
void objects_number(struct objects *objects, const char *name, uint64_t number);
/* Empty text: no member. */
void objects_text(struct objects *objects, const char *name, struct slice text);
/* The list becomes the field's value, when there is an object in it. */
void build_objects(struct build *build, enum field_id field, struct objects *objects);

/* Each text is in the record's arena; empty when memory is out. */
struct slice build_hex(struct build *build, struct slice bytes);
struct slice build_mac(struct build *build, const uint8_t *bytes); /* six of them */
/* As text, for a member. */
struct slice build_address_text(struct build *build, uint8_t family, const uint8_t *bytes);
/* Addresses of 4 or 16 bytes behind each other, separated by spaces. */
struct slice build_address_list(struct build *build, uint8_t family, struct slice bytes);
void build_address(struct build *build, enum field_id field, uint8_t family, const uint8_t *bytes);
/* Names of the set bits, from the lowest on. */
void build_names(struct build *build, enum field_id field, uint32_t bits, const char *const *names,
                 uint32_t count);
void build_malformed(struct build *build, const char *reason);

static inline void build_number(struct build *build, enum field_id field, uint64_t number)
{
    record_add_number(build->record, field, number);
}
static inline void build_text(struct build *build, enum field_id field, struct slice text)
{
    if (text.length)
        record_add_text(build->record, field, text);
}

/* The headers of each kind, by file. */
void record_link(struct build *build, const struct packet_layer *layer); /* record_link.c */
void record_arp(struct build *build, struct slice header);               /* record_link.c */
void record_vlans(struct build *build);                                  /* record_link.c */
void record_ipv4(struct build *build, struct slice header);              /* record_ipv4.c */
void record_ipv6(struct build *build);                                   /* record_ipv6.c */
/* Extension headers of IPv6, AH and ESP. */
void record_extensions(struct build *build);               /* record_ipv6.c */
void record_tcp(struct build *build, struct slice header); /* record_tcp.c */
/* What stands behind kind and length of the option, into the open object. record_mptcp.c */
void record_mptcp_option(struct build *build, struct objects *objects, struct slice option);
void record_udp(struct build *build, struct slice header);    /* record_transport.c */
void record_sctp(struct build *build, struct slice header);   /* record_transport.c */
void record_igmp(struct build *build);                        /* record_transport.c */
void record_icmp(struct build *build, struct slice header);   /* record_icmp.c */
void record_icmpv6(struct build *build, struct slice header); /* record_icmpv6.c */
/* The packet that an ICMP error is about: as much of its IP packet as there is. */
void record_quoted(struct build *build, struct slice quoted); /* record_icmp.c */
void record_tunnels(struct build *build);                     /* record_tunnels.c */
