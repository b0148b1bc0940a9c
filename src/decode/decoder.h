/*
 * decoder: reads a frame's headers, from the link to the transport, through VLANs, MPLS, PPPoE and
 * tunnels, and puts fragmented IP datagrams together. Nothing in a frame is an error: what cannot
 * be read ends the packet where it stands, and packet.state says why.
 */
#pragma once
#include "contract/packet.h"

struct decoder_options {
    size_t fragment_memory_maximum;      /* bytes of unfinished datagrams; 0: 16 MiB */
    uint32_t fragment_datagrams_maximum; /* unfinished at a time; 0: 4096 */
    uint64_t fragment_timeout_ns;        /* since the first fragment, packet time; 0: 30 s */
    uint64_t hash_seed;                  /* live: random, so that nobody can aim at one chain */
    bool without_tunnels;                /* what tunnels carry is their payload */
    bool is_thorough;                    /* no short way for usual frames, as tests compare both */
};

enum decoder_counter {
#define COUNTER(identifier, name, meaning) DECODER_##identifier,
#include "decode/counters.def"
#undef COUNTER
    DECODER_COUNTER_COUNT
};
extern const char *const decoder_counter_names[DECODER_COUNTER_COUNT];

struct decoder;

/* 0 or -ENOMEM. `options` may be NULL. */
int decoder_new(const struct decoder_options *options, struct decoder **ret_decoder);
void decoder_free(struct decoder **decoder);

/* Is this LINKTYPE_ value decoded? Frames of others have no layers. */
bool decoder_has_link_type(uint32_t link_type);

/*
 * Fills in `ret_packet`. Its slices point into the frame, or, behind reassembly, into the decoder:
 * both hold until the next call.
 */
void decoder_decode(struct decoder *decoder, const struct frame *frame, struct packet *ret_packet);

/* Counts since decoder_new, by enum decoder_counter. */
const uint64_t *decoder_counters(const struct decoder *decoder);
/* Datagrams that wait for fragments, and the bytes kept for them. */
size_t decoder_waiting(const struct decoder *decoder, size_t *ret_bytes);
