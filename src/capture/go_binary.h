/*
 * go_binary: is a file a Go program, and where do probes stand in its functions: behind the check
 * of the stack at the start, which may run several times for one call, and at each instruction that
 * returns: Go moves stacks, which changed return addresses (uretprobes) do not survive.
 * Go internals: cmd/compile/abi-internal.md, cmd/internal/obj/x86/obj6.go (stack check).
 */
#pragma once
#include "capture/elf_image.h"

struct go_function;

enum {
    GO_VERSION_BYTES = 64,
    GO_RETURNS_MAXIMUM = 64,
    GO_CODE_BYTES = ELF_WINDOW_BYTES, /* of one function */
};

struct go_binary {
    char version[GO_VERSION_BYTES]; /* such as "go1.19.8"; empty: not told */
    unsigned minor;                 /* 19; 0: not known */
};

/* 0; -ENOENT: no Go program; or -errno. */
int go_binary_read(const struct elf_image *image, struct go_binary *ret_binary);

enum go_convention {
    GO_CONVENTION_STACK,    /* arguments and results on the stack (before Go 1.17) */
    GO_CONVENTION_REGISTER, /* in registers */
};

struct go_places {
    enum go_convention convention;
    uint64_t entry; /* in the file: where the arguments are as they were at the call */
    size_t return_count;
    uint64_t returns[GO_RETURNS_MAXIMUM];
};

/*
 * 0; -ENOTSUP: of that function not all is understood (its start, an instruction of it, where the
 * program keeps the current goroutine), so that no probe may stand in it; or -errno.
 */
int go_binary_places(const struct elf_image *image, const struct go_binary *binary,
                     const struct go_function *function, struct go_places *ret_places);
