/*
 * packet_attach: puts programs on an interface of the namespace that the thread is in. TCX links
 * are made by the system call itself, since libbpf knows them only from 1.3 on. What is held by a
 * descriptor ends with weir, however it ends; filters of clsact are taken away at the end.
 */
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "capture/packet_program.h"

enum {
    TCX_INGRESS = 46, /* enum bpf_attach_type of linux/bpf.h since 6.6 */
    TCX_EGRESS = 47,
    LOOPBACK_INDEX = 1,
};

const char *const packets_hook_names[PACKETS_HOOK_COUNT] = {
    "auto", "tcx", "clsact", "xdp", "xdp-native", "xdp-generic", "socket", "none"};

int packet_link_is_ip(uint16_t hardware_type)
{
    switch (hardware_type) {
    case ARPHRD_ETHER:
    case ARPHRD_LOOPBACK:
        return 0;
    case ARPHRD_NONE:
    case ARPHRD_TUNNEL:
    case ARPHRD_TUNNEL6:
    case ARPHRD_SIT:
    case ARPHRD_IPGRE:
    case ARPHRD_IP6GRE:
    case ARPHRD_PPP:
    case ARPHRD_RAWIP:
        return 1;
    default:
        return -EOPNOTSUPP;
    }
}

/* The start of union bpf_attr for BPF_LINK_CREATE, and room for all of it. */
struct link_create {
    __u32 program, interface, attach_type, flags;
    __u64 rest[6];
};

static int tcx_attach(int program, uint32_t index, bool is_egress)
{
    struct link_create request = {.program = (__u32)program,
                                  .interface = index,
                                  .attach_type = is_egress ? TCX_EGRESS : TCX_INGRESS};
    long link = syscall(SYS_bpf, BPF_LINK_CREATE, &request, sizeof(request));

    return link < 0 ? -errno : (int)link;
}

static int xdp_attach(int program, uint32_t index, enum packets_hook hook)
{
    LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
    int link = -EOPNOTSUPP;

    if (hook != PACKETS_HOOK_XDP_GENERIC)
        link = bpf_link_create(program, (int)index, BPF_XDP, &options);
    if (link < 0 && link != -EBUSY && link != -EPERM && hook != PACKETS_HOOK_XDP_NATIVE) {
        options.flags = XDP_FLAGS_SKB_MODE;
        link = bpf_link_create(program, (int)index, BPF_XDP, &options);
    }
    return link;
}

static int socket_attach(int program, uint32_t index)
{
    struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                  .sll_ifindex = (int)index,
                                  .sll_protocol = __builtin_bswap16(ETH_P_ALL)};
    int descriptor = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), result;

    if (descriptor < 0)
        return -errno;
    if (setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof(program)) == 0 &&
        bind(descriptor, (struct sockaddr *)&address, sizeof(address)) == 0)
        return descriptor;
    result = -errno;
    close(descriptor);
    return result;
}

/* A membership of a socket that receives nothing; it ends with it (packet(7)). */
static int promiscuity_hold(uint32_t index)
{
    struct packet_mreq request = {.mr_ifindex = (int)index, .mr_type = PACKET_MR_PROMISC};
    int descriptor = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), result;

    if (descriptor < 0)
        return -errno;
    if (setsockopt(descriptor, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof(request)) == 0)
        return descriptor;
    result = -errno;
    close(descriptor);
    return result;
}

static int direction_attach(struct packets *packets, struct attachment *attachment, int program,
                            bool is_egress)
{
    uint32_t index = attachment->interface.index;

    switch (packets->hook) {
    case PACKETS_HOOK_TCX:
        return tcx_attach(program, index, is_egress);
    case PACKETS_HOOK_CLSACT:
        return clsact_attach(attachment, program, is_egress);
    case PACKETS_HOOK_SOCKET:
        return socket_attach(program, index);
    default:
        return xdp_attach(program, index, packets->hook);
    }
}

int packet_attach(struct packets *packets, struct attachment *attachment)
{
    int is_ip = packet_link_is_ip(attachment->interface.hardware_type), result = 0;

    attachment->links[0] = attachment->links[1] = attachment->promiscuity = -1;
    if (is_ip < 0)
        return is_ip;
    clsact_leftovers_remove(attachment->interface.index);
    for (int is_egress = 0; is_egress < 2 && result >= 0; is_egress++) {
        int program = attachment->namespace->programs[2 * is_ip + is_egress];

        if (program < 0) /* this hook has one program for all it sees */
            break;
        result = direction_attach(packets, attachment, program, is_egress);
        if (result > 0)
            attachment->links[is_egress] = result;
    }
    if (result < 0) {
        packet_detach(packets, attachment);
        return result;
    }
    if (packets->options.is_promiscuous) {
        attachment->promiscuity = promiscuity_hold(attachment->interface.index);
        if (attachment->promiscuity < 0)
            packets_complain(packets, attachment->interface.name, "cannot be made promiscuous",
                             attachment->promiscuity);
    }
    return 0;
}

void packet_detach(struct packets *packets, struct attachment *attachment)
{
    for (int i = 0; i < 2; i++) {
        if (attachment->links[i] >= 0)
            close(attachment->links[i]);
        attachment->links[i] = -1;
    }
    if (attachment->promiscuity >= 0)
        close(attachment->promiscuity);
    attachment->promiscuity = -1;
    if (packets->hook == PACKETS_HOOK_CLSACT)
        clsact_detach(attachment);
}

int packet_attach_try(enum packets_hook hook, const int programs[PROGRAM_COUNT])
{
    struct network_namespace namespace = {0};
    struct packets packets = {.hook = hook};
    struct attachment attachment = {
        .namespace = &namespace,
        .interface = {.index = LOOPBACK_INDEX, .hardware_type = ARPHRD_LOOPBACK}};
    int result;

    memcpy(namespace.programs, programs, sizeof(namespace.programs));
    result = packet_attach(&packets, &attachment);
    if (result == 0)
        packet_detach(&packets, &attachment);
    clsact_guard_close(&namespace);
    return result;
}
