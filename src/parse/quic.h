/*
 * quic: what the files of the QUIC parser share. Private to parse/quic*.c.
 *
 *   quic.c          a flow's handshakes, and the parser's table
 *   quic_packet.c   headers of packets
 *   quic_stream.c   frames, and the stream of CRYPTO frames put together
 *   quic_crypto.c   the keys of Initial packets, through libcrypto
 */
#pragma once
#include "parse/pieces.h"
#include "parse/tls.h"

enum {
    QUIC_ID_MAXIMUM = 20, /* bytes of a connection id (RFC 9000 §17.2) */
    QUIC_KEY_SIZE = 16,
    QUIC_IV_SIZE = 12,
    QUIC_TAG_SIZE = 16,
    QUIC_STREAM_MAXIMUM = 65536, /* bytes kept of CRYPTO frames, each way */
    QUIC_PACKETS_MAXIMUM = 64,   /* Initial packets of one handshake that are decrypted */
};

enum quic_type { QUIC_INITIAL, QUIC_EARLY, QUIC_HANDSHAKE, QUIC_RETRY };

/* A version whose Initial packets can be read. */
struct quic_version {
    uint32_t number;
    const char *name;
    uint8_t salt[20];
    bool is_2; /* other types and labels (RFC 9369 §3) */
};

/* A packet with a long header; slices point into the datagram. */
struct quic_packet {
    const struct quic_version *version;
    enum quic_type type;
    struct slice destination, source; /* connection ids */
    struct slice bytes;               /* from its first byte to its last */
    size_t number_at;                 /* offset of the packet number */
};

struct quic_keys {
    uint8_t key[QUIC_KEY_SIZE], iv[QUIC_IV_SIZE], header[QUIC_KEY_SIZE];
};

/* The bytes of one direction's CRYPTO frames. */
struct quic_stream {
    struct pieces pieces;
    size_t taken; /* bytes of messages that were taken */
};

/* What the frames of one packet said. */
struct quic_frames {
    bool is_bad;
    bool is_truncated; /* a limit left something out */
    bool is_out_of_memory;
    bool is_closed;
    uint64_t error; /* of CONNECTION_CLOSE */
};

/* quic_packet.c */
const struct quic_version *quic_version_find(uint32_t number);
/* A variable-length integer (RFC 9000 §16). */
uint64_t quic_number(struct reader *reader);
/* The packet at the reader, which moves behind it; false: none that can be read. */
bool quic_packet_next(struct reader *reader, struct quic_packet *ret_packet);
/* The server's answer to a version that it does not speak. */
bool quic_packet_is_negotiation(struct slice bytes);
enum probe_verdict quic_packet_probe(struct slice bytes);

/* quic_crypto.c */
/* RFC 9001 §5.2: from the destination id of the client's first Initial. */
bool quic_keys_derive(const struct quic_version *version, struct slice id, bool is_client,
                      struct quic_keys *ret_keys);
/* The frames of an Initial packet; `plain` has room for the packet. False: not made with these. */
bool quic_keys_open(const struct quic_keys *keys, const struct quic_packet *packet, uint8_t *plain,
                    struct slice *ret_frames);

/* quic_stream.c */
void quic_stream_take(struct quic_stream *stream, struct slice frames,
                      struct quic_frames *ret_frames);
/* The next whole handshake message, with its header; false: it is not there yet. */
bool quic_stream_next(struct quic_stream *stream, struct slice *ret_message);
void quic_stream_done(struct quic_stream *stream);
