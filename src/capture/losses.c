#include "capture/losses.h"
#include "capture/program.h"

const char *const loss_names[] = {
    [WEIR_LOSS_RING_FULL] = "ring_full",
    [WEIR_LOSS_FAULT] = "fault",
    [WEIR_LOSS_IO_URING] = "io_uring",
    [WEIR_LOSS_UNSEEN_CALL] = "unseen_call",
    [WEIR_LOSS_COMPAT] = "compat",
    [WEIR_LOSS_DISCARDED] = "discarded",
    [WEIR_LOSS_STEPS] = "steps",
    [WEIR_LOSS_CONNECTIONS] = "connections_full",
    [WEIR_LOSS_NESTED] = "nested",
    [WEIR_LOSS_CALLS] = "calls_full",
    [WEIR_LOSS_SOCKETS] = "sockets_full",
    [WEIR_LOSS_SOCKET_RECORDS] = "socket_ring_full",
    [WEIR_LOSS_TLS_SOCKET] = "tls_socket",
    [WEIR_LOSS_TLS_CONFLICT] = "tls_conflict",
    [WEIR_LOSS_TLS_SESSIONS] = "tls_sessions_full",
    [WEIR_LOSS_TLS_CALLS] = "tls_calls_full",
    [WEIR_LOSS_EVENT_STREAM] = "event_stream",
};
_Static_assert(sizeof(loss_names) / sizeof(*loss_names) == WEIR_LOSS_COUNT, "one name a reason");
