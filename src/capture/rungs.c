/* rungs: which programs make a rung, and what a kernel must have for it. */
#include <errno.h>
#include <bpf/btf.h>
#include "capture/datagram_peers.h"
#include "capture/program.h"

enum { DATAGRAM_TABLE_UNUSED = 128 };

const char *const capture_rung_names[CAPTURE_RUNG_COUNT] = {"auto", "fentry", "tracepoint",
                                                            "syscall"};

static const char *const fentry_programs[] = {
    "weir_tcp_state",    "weir_exec", "weir_send_enter", "weir_send_exit", "weir_receive_enter",
    "weir_receive_exit", NULL};
/* Beside them, where UDP sockets are looked at too. */
static const char *const fentry_datagram_programs[] = {
    "weir_udp_send_enter",  "weir_udp_send_exit",  "weir_udp_receive_enter",  "weir_udp_received",
    "weir_udp6_send_enter", "weir_udp6_send_exit", "weir_udp6_receive_enter", NULL};
static const char *const tracepoint_programs[] = {"weir_tcp_state", "weir_exec", "weir_sock_send",
                                                  "weir_sock_receive", NULL};
static const char *const syscall_programs[] = {"weir_tcp_state", "weir_exec", NULL};

const char *const *rung_programs(enum capture_rung rung)
{
    switch (rung) {
    case CAPTURE_RUNG_FENTRY:
        return fentry_programs;
    case CAPTURE_RUNG_TRACEPOINT:
        return tracepoint_programs;
    default:
        return syscall_programs;
    }
}

/* The number of parameters of a kernel function, or -1 when it is not in the kernel's BTF. */
static int parameter_count(const struct btf *btf, const char *name)
{
    int id = btf__find_by_name_kind(btf, name, BTF_KIND_FUNC);

    if (id < 0)
        return -1;
    return btf_vlen(btf__type_by_id(btf, btf__type_by_id(btf, (__u32)id)->type));
}

/* tcp_recvmsg: (sk, msg, len, nonblock, flags, addr_len) in 5.10, without nonblock to 6.18,
 * without addr_len since 7.2. */
static int fentry_prepare(struct weir *skeleton, const struct btf *btf, char *message, size_t size)
{
    int count = parameter_count(btf, "tcp_recvmsg");

    if (count < 4 || count > 6 || parameter_count(btf, "tcp_sendmsg") != 3) {
        snprintf(message, size, "tcp_recvmsg and tcp_sendmsg of this kernel are not known");
        return -EOPNOTSUPP;
    }
    skeleton->rodata->weir_settings.receive_flags_at = count == 6 ? 4 : 3;
    return 0;
}

/* Is every program compiled? Only then may one call functions of the kernel. */
static bool programs_are_compiled(void)
{
    FILE *file = fopen("/proc/sys/net/core/bpf_jit_enable", "re");
    int value = file ? fgetc(file) : '1'; /* no such file: there is no other way */

    if (file)
        fclose(file);
    return value != '0';
}

/* The program behind system calls: the fast one, where the kernel has what that needs (6.2). */
static void syscall_prepare(struct weir *skeleton, const struct btf *btf)
{
    bool has_cast = btf__find_by_name_kind(btf, "bpf_rdonly_cast", BTF_KIND_FUNC) > 0;

    bpf_program__set_autoload(has_cast && programs_are_compiled() ? skeleton->progs.weir_call_leave
                                                                  : skeleton->progs.weir_call_exit,
                              true);
}

/* Both or none of what sending and receiving need; those of IPv6 where the kernel has it. */
static void fentry_add_datagrams(struct weir *skeleton, const struct btf *btf)
{
    bool has_6 = parameter_count(btf, "udpv6_sendmsg") == 3 &&
                 parameter_count(btf, "udpv6_recvmsg") >= 2;

    if (parameter_count(btf, "udp_sendmsg") != 3 || parameter_count(btf, "udp_recvmsg") < 2 ||
        parameter_count(btf, "skb_consume_udp") != 3)
        return;
    for (size_t i = 0; fentry_datagram_programs[i]; i++) {
        const char *name = fentry_datagram_programs[i];

        if (has_6 || !strstr(name, "udp6"))
            bpf_program__set_autoload(bpf_object__find_program_by_name(skeleton->obj, name), true);
    }
}

int rung_prepare(enum capture_rung rung, struct weir *skeleton,
                 const struct capture_options *options, char *message, size_t size)
{
    struct btf *btf = btf__load_vmlinux_btf();
    int result = 0;

    if (!btf) {
        snprintf(message, size,
                 "the kernel has no type information (/sys/kernel/btf/vmlinux); "
                 "it must be built with CONFIG_DEBUG_INFO_BTF");
        return -EOPNOTSUPP;
    }
    if (rung == CAPTURE_RUNG_FENTRY) {
        result = fentry_prepare(skeleton, btf, message, size);
    } else if (rung == CAPTURE_RUNG_TRACEPOINT &&
               btf__find_by_name_kind(btf, "btf_trace_sock_send_length", BTF_KIND_TYPEDEF) < 0) {
        snprintf(message, size,
                 "the tracepoints sock_send_length and sock_recv_length came with "
                 "kernel 6.3");
        result = -EOPNOTSUPP;
    } else if (rung == CAPTURE_RUNG_SYSCALL) {
        syscall_prepare(skeleton, btf);
    }
    /* Socket storage in tracing programs came with 5.11, bpf_task_pt_regs with 5.15. */
    skeleton->rodata->weir_settings.with_socket_storage =
        rung != CAPTURE_RUNG_SYSCALL &&
        btf__find_by_name_kind(btf, "bpf_sk_storage_tracing_allowed", BTF_KIND_FUNC) > 0;
    if (result == 0 && rung == CAPTURE_RUNG_FENTRY && options->with_protocols)
        fentry_add_datagrams(skeleton, btf);
    if (result == 0 && rung == CAPTURE_RUNG_TRACEPOINT && options->with_protocols)
        datagram_peers_prepare(skeleton);
    if (skeleton->rodata->weir_settings.with_socket_storage) /* then it is not used */
        bpf_map__set_max_entries(skeleton->maps.weir_datagram_table, DATAGRAM_TABLE_UNUSED);
    btf__free(btf);
    return result;
}

bool rung_can_wait(const struct weir *skeleton)
{
    struct btf *btf = btf__load_vmlinux_btf();
    bool has = btf && btf__find_by_name_kind(btf, "btf_trace_sk_data_ready", BTF_KIND_TYPEDEF) > 0;

    btf__free(btf);
    return has && skeleton->rodata->weir_settings.with_socket_storage;
}
