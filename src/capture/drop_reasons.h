/* drop_reasons: the kernel's names of why, and where, it dropped a packet. Private to capture/. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

struct drop_reasons;

/* 0, -EOPNOTSUPP (the kernel has no type information) or -ENOMEM. */
int drop_reasons_new(struct drop_reasons **ret_reasons);
void drop_reasons_free(struct drop_reasons **reasons);
/* Does this kernel tell reasons (5.17)? */
bool drop_reasons_are_told(const struct drop_reasons *reasons);
/*
 * Such as NO_SOCKET; of a subsystem its name and the number, such as OPENVSWITCH:3. The slice lives
 * until the next call.
 */
struct slice drop_reason_name(struct drop_reasons *reasons, uint32_t reason);
/* The kernel function around the address; empty: not known. The slice lives with `reasons`. */
struct slice drop_place_name(struct drop_reasons *reasons, uint64_t address);
