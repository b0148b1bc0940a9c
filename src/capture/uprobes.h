/*
 * uprobes: a program at places of a file. Since kernel 6.6 one link holds many places, and they
 * come and go together; before that each is a perf event of its own, whose end waits for all CPUs.
 * Private to capture/.
 */
#pragma once
#include "capture/program.h"

/* One link. Zeroed: none. */
struct uprobe {
    struct bpf_link *one; /* NULL: many */
    int many;             /* file descriptor, where `one` is NULL; 0: none */
};

/* Does this kernel have links with many places? Asked of its types. */
bool uprobes_are_shared(const struct btf *btf);
/* Before loading: the program will be attached so. */
void uprobes_prepare(struct bpf_program *program, bool is_shared);
bool uprobes_have_many(const struct bpf_program *program);

/*
 * Puts the program at `count` places of the file, or behind the functions that begin there.
 * ret_links has room for `count`. 0, or -errno and nothing stands there.
 */
int uprobes_attach(const struct bpf_program *program, const char *path, const uint64_t *places,
                   size_t count, bool is_return, struct uprobe *ret_links, size_t *ret_count);
void uprobe_remove(struct uprobe *uprobe);
