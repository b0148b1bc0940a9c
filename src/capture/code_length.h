/*
 * code_length: how long machine instructions are. Intel 64 and IA-32 Architectures Software
 * Developer's Manual, volume 2, chapter 2 (format), appendix A (opcode maps); 64-bit mode. Only
 * the length is found out: an instruction that a processor would refuse may have one.
 */
#pragma once
#include "base/slice.h"

enum { CODE_LENGTH_MAXIMUM = 15 };

/* Bytes of the instruction that `bytes` begins with; 0: cut, or not known. */
size_t code_length_x86(struct slice bytes);
