/*
 * tls_library: what is known of one TLS library: which files it comes in, and at which of its
 * functions which program of bpf/hooks/ stands. One library is one file that ends in a `const
 * struct tls_library` and one line in tls_libraries.def. Private to capture/.
 */
#pragma once
#include "capture/elf_image.h"

enum {
    TLS_POINTS_MAXIMUM = 256,   /* places in one file */
    TLS_FUNCTIONS_MAXIMUM = 32, /* of one library's `points` */
    TLS_LIBRARIES_MAXIMUM = 16, /* lines of tls_libraries.def */
    TLS_NAMES_MAXIMUM = 6,      /* beginnings of file names of one library */
};

/* A place for a program. */
struct tls_point {
    const char *program;  /* name in the BPF object; NULL ends a list */
    const char *function; /* symbol; NULL with `find` */
    uint64_t offset;      /* in the file; of `points`: of no meaning */
    bool is_return;       /* where the function returns to its caller (a uretprobe) */
    bool is_needed;       /* a file without this function is not this library */
};

struct tls_points {
    size_t count;
    struct tls_point points[TLS_POINTS_MAXIMUM];
};

struct tls_library {
    const char *name; /* such as "openssl" */
    /* Files whose name begins so, followed by ".so" in any place; NULL ends the list. */
    const char *file_names[TLS_NAMES_MAXIMUM];
    bool is_in_programs;            /* also looked for in programs: linked into them */
    bool is_in_every_program;       /* it is no TLS library, see tls_loader.c */
    const struct tls_point *points; /* by symbols; those that a file lacks are left out */
    /*
     * Instead of `points`: finds the places in a file. 0 or -errno; -ENOENT: it is not this
     * library.
     */
    int (*find)(const struct elf_image *image, struct tls_points *ret_points);
};

extern const struct tls_library *const tls_libraries[]; /* NULL ends it */

/* A function with a program at its start and one where it returns. */
#define TLS_CALL(begins, symbol)                                                                   \
    {.program = (begins), .function = (symbol)},                                                   \
    {                                                                                              \
        .program = "weir_tls_return", .function = (symbol), .is_return = true                      \
    }
