/* tls_gnutls: GnuTLS 3 (gnutls_record_send(3), gnutls_record_recv(3)). */
#include "capture/tls_library.h"

static const struct tls_point points[] = {
    {.program = "weir_tls_read", .function = "gnutls_record_recv", .is_needed = true},
    {.program = "weir_tls_return", .function = "gnutls_record_recv", .is_return = true},
    TLS_CALL("weir_tls_read", "gnutls_record_recv_seq"),
    TLS_CALL("weir_tls_write", "gnutls_record_send"),
    TLS_CALL("weir_tls_write", "gnutls_record_send2"),
    TLS_CALL("weir_tls_write", "gnutls_record_send_range"),
    TLS_CALL("weir_tls_write", "gnutls_record_send_early_data"),
    TLS_CALL("weir_tls_inside", "gnutls_handshake"),
    TLS_CALL("weir_tls_inside", "gnutls_record_uncork"),
    {.program = "weir_tls_free", .function = "gnutls_deinit"},
    {.program = NULL},
};

const struct tls_library tls_gnutls = {
    .name = "gnutls",
    .file_names = {"libgnutls.", NULL},
    .points = points,
};
