/*
 * uprobes: BPF_LINK_CREATE with BPF_TRACE_UPROBE_MULTI (bpf(2), include/uapi/linux/bpf.h of kernel
 * 6.6), called directly: headers and libraries may be older than the kernel.
 */
#include "capture/uprobes.h"
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <bpf/btf.h>

enum { LINK_CREATE = 28, TRACE_UPROBE_MULTI = 48, UPROBE_MULTI_RETURN = 1 };
enum { KERNEL_ENOTSUPP = 524 }; /* the kernel's own: an instruction that takes no probe */

/* The kernel's union bpf_attr, as far as it is of LINK_CREATE with many places. */
struct link_of_many {
    uint32_t program, target, attach_type, flags;
    uint64_t path, places, reference_counters, cookies;
    uint32_t count, how, process, padding;
};

bool uprobes_are_shared(const struct btf *btf)
{
    return btf__find_by_name_kind(btf, "bpf_uprobe_multi_link", BTF_KIND_STRUCT) > 0;
}

void uprobes_prepare(struct bpf_program *program, bool is_shared)
{
    if (is_shared)
        bpf_program__set_expected_attach_type(program, (enum bpf_attach_type)TRACE_UPROBE_MULTI);
}

bool uprobes_have_many(const struct bpf_program *program)
{
    return (int)bpf_program__expected_attach_type(program) == TRACE_UPROBE_MULTI;
}

/* One link. 0 or -errno. */
static int attach_many(const struct bpf_program *program, const char *path, const uint64_t *places,
                       size_t count, bool is_return, struct uprobe *ret_link)
{
    struct link_of_many many = {
        .program = (uint32_t)bpf_program__fd(program),
        .attach_type = TRACE_UPROBE_MULTI,
        .path = (uintptr_t)path,
        .places = (uintptr_t)places,
        .count = (uint32_t)count,
        .how = is_return ? UPROBE_MULTI_RETURN : 0,
    };
    long descriptor = syscall(SYS_bpf, LINK_CREATE, &many, sizeof(many));

    if (descriptor < 0)
        return -errno;
    *ret_link = (struct uprobe){.many = (int)descriptor};
    return 0;
}

static int attach_one(const struct bpf_program *program, const char *path, uint64_t place,
                      bool is_return, struct uprobe *ret_link)
{
    LIBBPF_OPTS(bpf_uprobe_opts, options, .retprobe = is_return);
    struct bpf_link *link = bpf_program__attach_uprobe_opts(program, -1, path, place, &options);

    if (!link)
        return -errno;
    *ret_link = (struct uprobe){.one = link};
    return 0;
}

int uprobes_attach(const struct bpf_program *program, const char *path, const uint64_t *places,
                   size_t count, bool is_return, struct uprobe *ret_links, size_t *ret_count)
{
    size_t attached = 0;
    int result = 0;

    if (bpf_program__fd(program) < 0)
        return -ENOENT;
    if (uprobes_have_many(program)) {
        result = attach_many(program, path, places, count, is_return, &ret_links[0]);
        attached = result == 0;
    } else {
        while (attached < count && result == 0) {
            result = attach_one(program, path, places[attached], is_return, &ret_links[attached]);
            attached += result == 0;
        }
    }
    if (result)
        while (attached)
            uprobe_remove(&ret_links[--attached]);
    *ret_count = attached;
    return result == -KERNEL_ENOTSUPP ? -EOPNOTSUPP : result;
}

void uprobe_remove(struct uprobe *uprobe)
{
    if (uprobe->one)
        bpf_link__destroy(uprobe->one);
    else if (uprobe->many)
        close(uprobe->many);
    *uprobe = (struct uprobe){0};
}
