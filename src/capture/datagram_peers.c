/* datagram_peers: see the header. */
#include "capture/datagram_peers.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <unistd.h>

/* The host's own view first: ours may be that of a container. -1: there is none. */
static int root_open(void)
{
    static const char *const places[] = {
        "/proc/1/root/sys/fs/cgroup",
        "/proc/1/root/sys/fs/cgroup/unified",
        "/sys/fs/cgroup",
        "/sys/fs/cgroup/unified",
    };

    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        int directory = open(places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct statfs system;

        if (directory < 0)
            continue;
        if (fstatfs(directory, &system) == 0 && system.f_type == CGROUP2_SUPER_MAGIC)
            return directory;
        close(directory);
    }
    return -1;
}

bool datagram_peers_survey(char *message, size_t size)
{
    int root = root_open();

    if (root < 0) {
        snprintf(message, size, "no unified cgroup hierarchy (cgroup2) is mounted");
        return false;
    }
    close(root);
    if (libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, NULL) != 1) {
        snprintf(message, size, "the kernel refuses programs of cgroups; they need CAP_NET_ADMIN");
        return false;
    }
    return true;
}

void datagram_peers_prepare(struct weir *skeleton)
{
    char why[128];
    bool is_available = datagram_peers_survey(why, sizeof(why));

    bpf_program__set_autoload(skeleton->progs.weir_udp_peer4, is_available);
    bpf_program__set_autoload(skeleton->progs.weir_udp_peer6, is_available);
}

void datagram_peers_attach(struct capture *capture)
{
    struct bpf_program *programs[] = {capture->skeleton->progs.weir_udp_peer4,
                                      capture->skeleton->progs.weir_udp_peer6};
    int root = bpf_program__fd(programs[0]) < 0 ? -1 : root_open();

    for (int i = 0; root >= 0 && i < 2; i++)
        capture->peer_links[i] = bpf_program__attach_cgroup(programs[i], root);
    if (root >= 0)
        close(root);
}

void datagram_peers_detach(struct capture *capture)
{
    for (int i = 0; i < 2; i++) {
        bpf_link__destroy(capture->peer_links[i]);
        capture->peer_links[i] = NULL;
    }
}
