/*
 * fragments: puts IP datagrams together (RFC 791 §3.2, RFC 8200 §4.5), bounded in memory, number
 * and time. Time is that of the packets. IPv4: of overlapping fragments the first copy of each byte
 * wins; what the later ones add is taken. IPv6: overlapping fragments end the datagram (RFC 5722);
 * exact duplicates do not.
 */
#pragma once
#include "decode/decoder.h"

struct fragments;

struct fragment {
    struct address source, destination;
    uint64_t scope; /* VLANs and tunnels: equal ids in different ones are different datagrams */
    uint64_t time_ns;
    uint32_t id;
    uint8_t protocol;     /* behind this header; for IPv4 a part of the identity */
    bool is_last;         /* no more fragments */
    uint32_t offset;      /* bytes */
    uint32_t length;      /* on the wire */
    uint16_t head_length; /* of the IP header, which counts towards the longest datagram */
    struct slice bytes;   /* captured */
};

enum fragment_verdict {
    FRAGMENT_KEPT,    /* more are needed */
    FRAGMENT_WHOLE,   /* this was the missing one */
    FRAGMENT_DROPPED, /* of no use; reason is set when it contradicts others */
};

struct datagram {
    struct slice bytes; /* with FRAGMENT_WHOLE; up to the first byte not captured */
    uint32_t length;    /* on the wire */
    uint8_t protocol;   /* of the first fragment */
    bool has_start;     /* the first fragment was seen, and four bytes of it */
    uint8_t start[4];   /* the transport header's first bytes */
    const char *reason; /* with FRAGMENT_DROPPED: NULL, or what is malformed; static */
};

/* `counters` are the decoder's. 0 or -ENOMEM. */
int fragments_new(const struct decoder_options *options, uint64_t *counters,
                  struct fragments **ret_fragments);
void fragments_free(struct fragments **fragments);

/* `ret_datagram` holds until fragments_forget. */
enum fragment_verdict fragments_add(struct fragments *fragments, const struct fragment *fragment,
                                    struct datagram *ret_datagram);
/* Frees the datagrams that were given out. */
void fragments_forget(struct fragments *fragments);
size_t fragments_waiting(const struct fragments *fragments, size_t *ret_bytes);
