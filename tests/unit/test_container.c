/* Containers and pods by the paths of cgroups, one for each layout that is in use. */
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
    {"/docker/" ID, ID, "docker", ""},
    {"/system.slice/docker-" ID ".scope", ID, "docker", ""},
    {"/docker/" ID "/docker/" OTHER, OTHER, "docker", ""},
    {"/docker/" ID "/system.slice/ssh.service", ID, "docker", ""},
    {"/kubepods/burstable/pod" UID "/" ID, ID, "", UID},
    {"/kubepods/pod0123456789abcdef0123456789abcdef/" ID, ID, "",
     "0123456789abcdef0123456789abcdef"},
    {"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_SYSTEMD
     ".slice/cri-containerd-" ID ".scope",
     ID, "containerd", UID_SYSTEMD},
    {"/kubepods.slice/kubepods-pod" UID_SYSTEMD ".slice/crio-" ID ".scope/container", ID, "cri-o",
     UID_SYSTEMD},
    {"/kubepods.slice/kubepods-pod" UID_SYSTEMD ".slice/docker-" ID ".scope", ID, "docker",
     UID_SYSTEMD},
    {"/machine.slice/libpod-" ID ".scope/container", ID, "podman", ""},
    {"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope", ID, "podman",
     ""},
    {"/libpod_parent/" ID, ID, "podman", ""},
    {"/ecs/0123456789abcdef0123456789abcdef/0123456789abcdef0123456789abcdef-123456",
     "0123456789abcdef0123456789abcdef-123456", "", ""},
    {"/lxc.payload.web/system.slice/nginx.service", "web", "lxc", ""},
    {"/lxc/web", "web", "lxc", ""},
    {"/machine.slice/systemd-nspawn@web.service/payload", "web", "systemd-nspawn", ""},
    {"/machine.slice/machine-web.scope", "web", "", ""},
    {"../../" ID, ID, "", ""}, /* seen from another cgroup namespace */
};

static const char *const no_containers[] = {
    "",
    "/",
    "/system.slice/nginx.service",
    "/user.slice/user-0.slice/session-1.scope",
    "/machine.slice/machine-qemu-1-vm.scope",
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
        if (!container_of_cgroup(slice_of_string(layouts[i].path), &found))
            fail_msg("%s: no container", layouts[i].path);
        assert_text(found.id, layouts[i].id);
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
