/*
 * decoder: a frame's headers, from the link layer to the transport header of the innermost packet.
 * It keeps the fragments of IP datagrams until they are whole, within limits, and nothing else.
 */
#pragma once
#include "contract/packet.h"

struct decoder;

struct decoder_options {
    size_t fragment_maximum; /* bytes of fragments that wait for the rest; 0: default */
};

/* 0 or -ENOMEM. The options are copied. */
int decoder_new(const struct decoder_options *options, struct decoder **ret_decoder);
void decoder_free(struct decoder **decoder);
/* Is this LINKTYPE_ value decoded? Frames of others have no layers. */
bool decoder_has_link_type(uint32_t link_type);
/* Never fails: what is wrong with a frame is part of the packet. Slices live until the next call.
 */
void decoder_decode(struct decoder *decoder, const struct frame *frame, struct packet *ret_packet);
