#include "refine/container.h"
#include <ctype.h>
#include <string.h>

enum { ID_DIGITS = 64, UID_LENGTH = 36, ECS_TASK_DIGITS = 32 };

/* A component "PREFIX-<64 hex>.scope" of a systemd path, or "<64 hex>" below a folder. */
struct layout {
    const char *prefix;
    const char *runtime;
};
static const struct layout scopes[] = {
    {"docker-", "docker"}, {"cri-containerd-", "containerd"}, {"crio-", "cri-o"},
    {"libpod-", "podman"}, {"nerdctl-", "containerd"},        {"containerd-", "containerd"},
};
/* A component whose rest is the container's name. */
static const struct layout named[] = {
    {"lxc.payload.", "lxc"},
    {"systemd-nspawn@", "systemd-nspawn"},
};
/* What stands between the colons of "SLICE:RUNTIME:ID". */
static const struct layout bundles[] = {
    {"cri-containerd", "containerd"},
    {"crio", "cri-o"},
    {"docker", "docker"},
};

static bool starts_with(struct slice text, const char *prefix)
{
    size_t length = strlen(prefix);

    return text.length > length && memcmp(text.data, prefix, length) == 0;
}

static bool ends_with(struct slice text, const char *suffix)
{
    size_t length = strlen(suffix);

    return text.length >= length && memcmp(text.data + text.length - length, suffix, length) == 0;
}

static bool is_hex(struct slice text)
{
    for (size_t i = 0; i < text.length; i++)
        if (!isdigit(text.data[i]) && (text.data[i] < 'a' || text.data[i] > 'f'))
            return false;
    return text.length > 0;
}

static bool is_id(struct slice text)
{
    return text.length == ID_DIGITS && is_hex(text);
}

/* A static pod's uid is a digest of 32 digits. */
static bool is_uid(struct slice text)
{
    return text.length == UID_LENGTH || (text.length == 32 && is_hex(text));
}

/* "pod<uid>" (cgroupfs), "kubepods-burstable-pod<uid with _>.slice" (systemd), below "kubelet-"
 * where the kubelet has a root of its own (kind). */
static struct slice pod_of(struct slice component)
{
    struct slice none = {NULL, 0}, uid = component;

    if (ends_with(component, ".slice") &&
        (starts_with(component, "kubepods-") || starts_with(component, "kubelet-kubepods-"))) {
        uid.length -= strlen(".slice");
        for (size_t i = uid.length; i-- > 4;)
            if (memcmp(uid.data + i - 4, "-pod", 4) == 0 && is_uid(slice_part(uid, i, SIZE_MAX)))
                return slice_part(uid, i, SIZE_MAX);
        return none;
    }
    if (!starts_with(component, "pod"))
        return none;
    uid = slice_part(component, 3, SIZE_MAX);
    return is_uid(uid) ? uid : none;
}

static struct slice without_suffix(struct slice text)
{
    if (ends_with(text, ".scope"))
        text.length -= strlen(".scope");
    else if (ends_with(text, ".service"))
        text.length -= strlen(".service");
    return text;
}

static bool by_scope(struct slice component, struct container *container)
{
    struct slice rest = without_suffix(component);

    for (size_t i = 0; i < sizeof(scopes) / sizeof(*scopes); i++) {
        size_t length = strlen(scopes[i].prefix);

        if (!starts_with(rest, scopes[i].prefix) || !is_id(slice_part(rest, length, SIZE_MAX)))
            continue;
        container->id = slice_part(rest, length, SIZE_MAX);
        container->runtime = slice_of_string(scopes[i].runtime);
        return true;
    }
    return false;
}

/* Registered with systemd-machined, which escapes the name; virtual machines are no containers. */
static bool by_machine(struct slice component, struct container *container)
{
    struct slice name = slice_part(without_suffix(component), strlen("machine-"), SIZE_MAX);

    if (!starts_with(component, "machine-") || !ends_with(component, ".scope") || !name.length ||
        starts_with(name, "qemu-") || starts_with(name, "qemu\\x2d"))
        return false;
    container->id = name;
    container->is_escaped = true;
    return true;
}

static bool by_name(struct slice component, struct slice parent, struct container *container)
{
    struct slice rest = without_suffix(component);

    for (size_t i = 0; i < sizeof(named) / sizeof(*named); i++) {
        size_t length = strlen(named[i].prefix);

        if (!starts_with(rest, named[i].prefix))
            continue;
        container->id = slice_part(rest, length, SIZE_MAX);
        container->runtime = slice_of_string(named[i].runtime);
        return true;
    }
    if (by_machine(component, container))
        return true;
    if (!slice_is_equal(parent, SLICE_LITERAL("lxc")) &&
        !slice_is_equal(parent, SLICE_LITERAL("lxc.payload")))
        return false;
    container->id = component; /* cgroup v1: /lxc/NAME */
    container->runtime = SLICE_LITERAL("lxc");
    return true;
}

/*
 * "SLICE:RUNTIME:ID": what a runtime with the cgroupfs driver makes of a path that was meant for
 * systemd.
 */
static bool by_bundle(struct slice component, struct container *container)
{
    size_t first = slice_find(component, ':');
    struct slice rest = slice_part(component, first + 1, SIZE_MAX), pod, runtime;
    size_t second = slice_find(rest, ':');

    if (!is_id(slice_part(rest, second + 1, SIZE_MAX)))
        return false;
    pod = pod_of(slice_part(component, 0, first));
    runtime = slice_part(rest, 0, second);
    container->id = slice_part(rest, second + 1, SIZE_MAX);
    if (pod.length)
        container->pod = pod;
    for (size_t i = 0; i < sizeof(bundles) / sizeof(*bundles); i++)
        if (slice_is_equal(runtime, slice_of_string(bundles[i].prefix)))
            container->runtime = slice_of_string(bundles[i].runtime);
    return true;
}

/* A bare number: the folder above says whose. */
static bool by_folder(struct slice component, struct slice parent, struct container *container)
{
    /* Fargate: <task>-<number>; the task's id has 32 digits. */
    bool is_task = component.length > ECS_TASK_DIGITS + 1 &&
                   is_hex(slice_part(component, 0, ECS_TASK_DIGITS)) &&
                   component.data[ECS_TASK_DIGITS] == '-' &&
                   slice_is_equal(slice_part(component, 0, ECS_TASK_DIGITS), parent);

    if (!is_id(component) && !is_task)
        return false;
    container->id = component;
    if (slice_is_equal(parent, SLICE_LITERAL("docker")))
        container->runtime = SLICE_LITERAL("docker");
    else if (slice_is_equal(parent, SLICE_LITERAL("libpod_parent")))
        container->runtime = SLICE_LITERAL("podman");
    return true;
}

bool container_of_cgroup(struct slice path, struct container *ret_container)
{
    struct container found = {.id = {NULL, 0}};
    struct slice parent = {NULL, 0};
    bool is_container = false;

    /* The innermost container counts (Docker in Docker); what is below it is its own business. */
    while (path.length) {
        size_t length = slice_find(path, '/');
        struct slice component = slice_part(path, 0, length), pod = pod_of(component);
        struct container next = {.pod = found.pod};

        if (pod.length)
            found.pod = pod;
        else if (component.length &&
                 (by_scope(component, &next) || by_folder(component, parent, &next) ||
                  by_bundle(component, &next) ||
                  (!is_container && by_name(component, parent, &next)))) {
            found = next;
            is_container = true;
        }
        parent = component;
        path = slice_part(path, length + 1, SIZE_MAX);
    }
    if (is_container)
        *ret_container = found;
    return is_container;
}

static int digit_of(uint8_t byte)
{
    return isdigit(byte) ? byte - '0' : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

size_t container_write_id(const struct container *container, uint8_t *bytes)
{
    struct slice id = container->id;
    size_t used = 0;

    for (size_t i = 0; i < id.length; i++) {
        bool is_code = container->is_escaped && id.length - i >= 4 && id.data[i] == '\\' &&
                       id.data[i + 1] == 'x' && digit_of(id.data[i + 2]) >= 0 &&
                       digit_of(id.data[i + 3]) >= 0;

        bytes[used++] = is_code
                            ? (uint8_t)(digit_of(id.data[i + 2]) * 16 + digit_of(id.data[i + 3]))
                            : id.data[i];
        i += is_code ? 3 : 0;
    }
    return used;
}
