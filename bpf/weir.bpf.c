/* weir.bpf.c: one object of all hooks, so that they share maps, settings and the verified
 * functions. */
#include "bpf/maps.h"

char weir_license[] SEC("license") = "Dual BSD/GPL";

#include "bpf/hooks/tcp_socket.bpf.c"
#include "bpf/hooks/tcp_living.bpf.c"
#include "bpf/hooks/tcp_state.bpf.c"
#include "bpf/hooks/exec.bpf.c"
#include "bpf/hooks/socket.bpf.c"
#include "bpf/hooks/socket_ready.bpf.c"
#include "bpf/hooks/syscall.bpf.c"
#include "bpf/hooks/fentry.bpf.c"
#include "bpf/hooks/unix.bpf.c"
#include "bpf/hooks/udp.bpf.c"
#include "bpf/hooks/udp_peer.bpf.c"
#include "bpf/hooks/tls.bpf.c"
#include "bpf/hooks/go_tls.bpf.c"
#include "bpf/hooks/tc.bpf.c"
#include "bpf/hooks/xdp.bpf.c"
#include "bpf/hooks/packet_socket.bpf.c"
#include "bpf/hooks/drop.bpf.c"
