/*
 * go_functions: where functions of a Go program begin and end, by the table that the Go runtime
 * itself needs (section .gopclntab; the forms of Go 1.2, 1.16, 1.18 and 1.20, the latest), which
 * stays in a program without symbols.
 */
#pragma once
#include "capture/elf_strings.h"

enum { GO_FUNCTIONS_MAXIMUM = 4 * 1024 * 1024 }; /* in a program */

struct go_function {
    const char *name; /* set by the caller */
    bool is_found;
    uint64_t address, size; /* as linked; up to the next function */
    uint64_t offset;        /* of its first byte in the file */
};

/*
 * Looks for `count` functions (at most ELF_STRINGS_MAXIMUM). Time is linear in the file's size. 0;
 * -ENOENT: no Go program; -ENOTSUP: a form of the table that is not known; -EBADMSG: damaged.
 */
int go_functions_find(const struct elf_image *image, struct go_function *functions, size_t count);
