/* Containers and pods by the paths of cgroups: each runtime, driver, hierarchy and nesting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "refine/container.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "f123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define UID "2f6c1d0e-7b5a-4c3d-9e8f-001122334455"
#define UID_SYSTEMD "2f6c1d0e_7b5a_4c3d_9e8f_001122334455"

static const struct {
    const char *path, *id, *runtime, *pod;
} layouts[] = {
    /* Docker, driver cgroupfs (v1, and the v1 hierarchies of hybrid hosts; v2) and systemd. */
    {"/docker/" ID, ID, "docker", ""},
    {"/system.slice/docker-" ID ".scope", ID, "docker", ""},
    {"/system.slice/docker-" ID ".scope/init.scope", ID, "docker", ""},
    {"/parent/of/its/own/" ID, ID, "", ""}, /* --cgroup-parent */
    {"/parent.slice/docker-" ID ".scope", ID, "docker", ""},
    {"/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" ID ".scope", ID, "docker",
     ""},                                                  /* rootless */
    {"/docker/" ID "/docker/" OTHER, OTHER, "docker", ""}, /* Docker in Docker */
    {"/docker/" ID "/system.slice/ssh.service", ID, "docker", ""},
    {"/system.slice/docker-" ID ".scope/docker/" OTHER, OTHER, "docker", ""},
    {"/docker/" ID "/lxc.payload.web", ID, "docker", ""},
    /* Kubernetes, driver cgroupfs: guaranteed, burstable, besteffort. */
    {"/kubepods/pod" UID "/" ID, ID, "", UID},
    {"/kubepods/burstable/pod" UID "/" ID, ID, "", UID},
    {"/kubepods/besteffort/pod" UID "/" ID, ID, "", UID},
    {"/kubepods/pod0123456789abcdef0123456789abcdef/" ID, ID, "",
     "0123456789abcdef0123456789abcdef"}, /* a static pod */
    {"/kubepods/besteffort/pod" UID "/crio-" ID, ID, "cri-o", UID},
    {"/kubelet/kubepods/burstable/pod" UID "/" ID, ID, "", UID}, /* --cgroup-root */
    /* The same, driver systemd, of each runtime. */
    {"/kubepods.slice/kubepods-pod" UID_SYSTEMD ".slice/cri-containerd-" ID ".scope", ID,
     "containerd", UID_SYSTEMD},
    {"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_SYSTEMD
     ".slice/cri-containerd-" ID ".scope",
     ID, "containerd", UID_SYSTEMD},
    {"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_SYSTEMD
     ".slice/cri-containerd-" ID ".scope",
     ID, "containerd", UID_SYSTEMD},
    {"/kubepods.slice/kubepods-pod" UID_SYSTEMD ".slice/crio-" ID ".scope", ID, "cri-o",
     UID_SYSTEMD},
    {"/kubepods.slice/kubepods-pod" UID_SYSTEMD ".slice/crio-" ID ".scope/container", ID, "cri-o",
     UID_SYSTEMD},
    {"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_SYSTEMD ".slice/crio-" ID
     ".scope",
     ID, "cri-o", UID_SYSTEMD},
    {"/kubepods.slice/kubepods-pod" UID_SYSTEMD ".slice/docker-" ID ".scope", ID, "docker",
     UID_SYSTEMD}, /* cri-dockerd */
    {"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_SYSTEMD
     ".slice/docker-" ID ".scope",
     ID, "docker", UID_SYSTEMD},
    /* A path for systemd in the hands of a runtime with the driver cgroupfs. */
    {"/system.slice/containerd.service/kubepods-burstable-pod" UID_SYSTEMD
     ".slice:cri-containerd:" ID,
     ID, "containerd", UID_SYSTEMD},
    {"/kubepods-besteffort-pod" UID_SYSTEMD ".slice:crio:" ID, ID, "cri-o", UID_SYSTEMD},
    /* kind: a node is a container. */
    {"/docker/" ID "/kubelet/kubepods/besteffort/pod" UID "/" OTHER, OTHER, "", UID},
    {"/system.slice/docker-" ID ".scope/kubelet.slice/kubelet-kubepods.slice/"
     "kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod" UID_SYSTEMD
     ".slice/cri-containerd-" OTHER ".scope",
     OTHER, "containerd", UID_SYSTEMD},
    /* containerd without Kubernetes. */
    {"/default/" ID, ID, "", ""},
    {"/system.slice/nerdctl-" ID ".scope", ID, "containerd", ""},
    {"/user.slice/user-1000.slice/user@1000.service/user.slice/nerdctl-" ID ".scope", ID,
     "containerd", ""},
    /* Podman: of root, of users; driver systemd, cgroupfs; in a pod; with an init of its own. */
    {"/machine.slice/libpod-" ID ".scope", ID, "podman", ""},
    {"/machine.slice/libpod-" ID ".scope/container", ID, "podman", ""},
    {"/machine.slice/libpod-" ID ".scope/container/system.slice/nginx.service", ID, "podman", ""},
    {"/machine.slice/machine-libpod_pod_" OTHER ".slice/libpod-" ID ".scope/container", ID,
     "podman", ""},
    {"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope", ID, "podman",
     ""},
    {"/user.slice/user-1000.slice/user@1000.service/user.slice/user-libpod_pod_" OTHER
     ".slice/libpod-" ID ".scope/container",
     ID, "podman", ""},
    {"/libpod_parent/libpod-" ID, ID, "podman", ""},
    {"/libpod_parent/" ID, ID, "podman", ""},
    /* Amazon ECS on hosts of its own, and Fargate. */
    {"/ecs/0123456789abcdef0123456789abcdef/" ID, ID, "", ""},
    {"/ecs/0123456789abcdef0123456789abcdef/0123456789abcdef0123456789abcdef-123456",
     "0123456789abcdef0123456789abcdef-123456", "", ""},
    /* LXC, LXD, Incus: v2 and hybrid, before 4.0, v1; of a user. */
    {"/lxc.payload.web/system.slice/nginx.service", "web", "lxc", ""},
    {"/lxc.payload/web/init.scope", "web", "lxc", ""},
    {"/lxc/web", "web", "lxc", ""},
    {"/lxc/web/system.slice/nginx.service", "web", "lxc", ""},
    {"/user.slice/user-1000.slice/user@1000.service/app.slice/lxc.payload.web/init.scope", "web",
     "lxc", ""},
    /* systemd-nspawn: as a service; by hand, registered with systemd-machined. */
    {"/machine.slice/systemd-nspawn@web.service/payload", "web", "systemd-nspawn", ""},
    {"/machine.slice/systemd-nspawn@web-1.service/payload/init.scope", "web-1", "systemd-nspawn",
     ""},
    {"/machine.slice/machine-web.scope", "web", "", ""},
    {"/machine.slice/machine-web\\x2d1.scope/payload", "web-1", "", ""},
    /* Seen from another cgroup namespace. */
    {"../../" ID, ID, "", ""},
    {"/../cri-containerd-" ID ".scope", ID, "containerd", ""},
};

static const char *const no_containers[] = {
    "",
    "/",
    "/system.slice/nginx.service",
    "/user.slice/user-0.slice/session-1.scope",
    "/machine.slice/machine-qemu-1-vm.scope",
    "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope",
    "/machine.slice/machine-libpod_pod_" ID ".slice",
    "/kubepods.slice/kubepods-pod" UID_SYSTEMD ".slice",
    "/kubepods.slice/kubepods-pod" UID_SYSTEMD ".slice/crio-conmon-" ID ".scope",
    "/system.slice/containerd.service",
    "/lxc.monitor.web",
    "/kubepods.slice:cri-containerd:0123",
    "/system.slice/docker.service",
    "/system.slice/docker-0123.scope",
    "/machine.slice/libpod-conmon-" ID ".scope",
    "/kubepods/burstable/pod" UID,
    "/docker/0123456789abcdef",
    "/DOCKER/"
    "Z123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
};

static void assert_text(struct slice found, const char *wanted)
{
    assert_int_equal(found.length, strlen(wanted));
    assert_memory_equal(found.data ? found.data : (const uint8_t *)"", wanted, found.length);
}

static void layouts_are_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(layouts) / sizeof(*layouts); i++) {
        struct container found;
        uint8_t id[256];
        if (!container_of_cgroup(slice_of_string(layouts[i].path), &found))
            fail_msg("%s: no container", layouts[i].path);
        assert_text(slice_of(id, container_write_id(&found, id)), layouts[i].id);
        assert_text(found.runtime, layouts[i].runtime);
        assert_text(found.pod, layouts[i].pod);
    }
}

static void other_paths_are_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(no_containers) / sizeof(*no_containers); i++) {
        struct container found;
        if (container_of_cgroup(slice_of_string(no_containers[i]), &found))
            fail_msg("%s: container %.*s", no_containers[i], (int)found.id.length,
                     (const char *)found.id.data);
    }
}

static void any_cut_is_survived(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(layouts) / sizeof(*layouts); i++)
        for (size_t length = 0; length < strlen(layouts[i].path); length++) {
            struct container found;
            container_of_cgroup(slice_of(layouts[i].path, length), &found);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layouts_are_known),
        cmocka_unit_test(other_paths_are_none),
        cmocka_unit_test(any_cut_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
