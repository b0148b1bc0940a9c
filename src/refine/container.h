/*
 * container: which container and pod a process belongs to, read from its cgroup's path. The layouts
 * of Docker, containerd, CRI-O and Podman (cgroup drivers systemd and cgroupfs), Kubernetes, kind,
 * Amazon ECS, LXC, Incus and systemd-nspawn are known (docs/identity.md has them all).
 */
#pragma once
#include "base/slice.h"

struct container {
    struct slice id;      /* 64 hex digits, or the name where the runtime has no number */
    struct slice runtime; /* docker containerd cri-o podman lxc systemd-nspawn; empty: unknown */
    struct slice pod;     /* the pod's uid as it stands in the path; empty: none */
    bool is_escaped;      /* the name has bytes as \xHH, as in names of systemd's units */
};

/* `path`: of one cgroup, such as "/system.slice/docker-0123….scope". False: no container's. */
bool container_of_cgroup(struct slice path, struct container *ret_container);
/* The id as people write it, which is no longer. How many bytes. */
size_t container_write_id(const struct container *container, uint8_t *bytes);
