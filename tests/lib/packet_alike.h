/* packet_alike: do two ways of decoding one frame say the same? */
#pragma once
#include "contract/packet.h"

bool packet_is_alike(const struct packet *a, const struct packet *b);
