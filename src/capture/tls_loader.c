/*
 * tls_loader: the dynamic linker. Its function for debuggers (r_brk of struct r_debug, <link.h>) is
 * called whenever libraries were loaded, which is when a process may have got a TLS library.
 */
#include "capture/tls_library.h"

static const struct tls_point points[] = {
    {.program = "weir_tls_loaded", .function = "_dl_debug_state", .is_needed = true},
    {.program = NULL},
};

const struct tls_library tls_loader = {
    .name = "loader",
    .file_names = {"ld-linux", "ld-musl", NULL},
    .is_in_every_program = true,
    .points = points,
};
