/* addresses: what the ring has of ends, as the nouns of model/ and contract/. */
#pragma once
#include <linux/types.h>
#include "contract/source.h"
#include "shared/event.h"

/* IPv4 comes as ::ffff:a.b.c.d. */
void address_of_ring(const uint8_t bytes[16], struct address *ret_address);
void identity_of(const struct weir_process *process, struct process_identity *ret_identity);
