/*
 * tls_openssl: OpenSSL 1.1 and 3 (SSL_read(3), SSL_write(3)) and BoringSSL, whose functions have
 * the same names: as a shared library, or linked into a program that has symbols. SSL_peek takes
 * nothing out of the stream, so nothing stands there.
 */
#include "capture/tls_library.h"

static const struct tls_point points[] = {
    {.program = "weir_tls_read", .function = "SSL_read", .is_needed = true},
    {.program = "weir_tls_return", .function = "SSL_read", .is_return = true},
    TLS_CALL("weir_tls_write", "SSL_write"),
    TLS_CALL("weir_tls_read_ex", "SSL_read_ex"),
    TLS_CALL("weir_tls_write_ex", "SSL_write_ex"),
    TLS_CALL("weir_tls_read_ex", "SSL_read_early_data"),
    TLS_CALL("weir_tls_write_ex", "SSL_write_early_data"),
    TLS_CALL("weir_tls_write_file", "SSL_sendfile"),
    TLS_CALL("weir_tls_inside", "SSL_do_handshake"),
    {.program = "weir_tls_free", .function = "SSL_free"},
    {.program = "weir_tls_free", .function = "SSL_clear"},
    {.program = "weir_tls_free", .function = "SSL_set_bio"},
    /* Where it is linked into the same file. */
    {.program = "weir_tls_memory_write", .function = "BIO_write"},
    {.program = NULL},
};

const struct tls_library tls_openssl = {
    .name = "openssl",
    .file_names = {"libssl.", "libssl-", NULL},
    .is_in_programs = true,
    .points = points,
};

/* The other half of a shared OpenSSL: where sessions that work in memory write their records. */
static const struct tls_point memory_points[] = {
    {.program = "weir_tls_memory_write", .function = "BIO_write", .is_needed = true},
    {.program = NULL},
};

const struct tls_library tls_openssl_memory = {
    .name = "openssl memory",
    .file_names = {"libcrypto.", "libcrypto-", NULL},
    .points = memory_points,
};
