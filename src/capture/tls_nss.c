/*
 * tls_nss: NSS, whose TLS sessions are layers of NSPR's descriptors: PR_Read and the like are
 * called for files and plain sockets too (NSPR Reference, "I/O Functions").
 */
#include "capture/tls_library.h"

static const struct tls_point points[] = {
    {.program = "weir_tls_layer_read", .function = "PR_Read", .is_needed = true},
    {.program = "weir_tls_return", .function = "PR_Read", .is_return = true},
    TLS_CALL("weir_tls_layer_write", "PR_Write"),
    TLS_CALL("weir_tls_layer_read", "PR_Recv"),
    TLS_CALL("weir_tls_layer_write", "PR_Send"),
    TLS_CALL("weir_tls_layer_write_pieces", "PR_Writev"),
    {.program = "weir_tls_free", .function = "PR_Close"},
    {.program = NULL},
};

const struct tls_library tls_nss = {
    .name = "nss",
    .file_names = {"libnspr4.", NULL},
    .points = points,
};
