/* after_loading: see the header. */
#include "capture/after_loading.h"

#include <bpf/libbpf.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* The whole pages within are given back: what is read there later is what the file has, or zeros.
 */
static void pages_release(const void *memory, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = ((uintptr_t)memory + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)memory + size) / page * page;

    if (end > start)
        madvise((void *)start, end - start, MADV_DONTNEED);
}

void after_loading(const struct bpf_object_skeleton *skeleton)
{
    struct bpf_program *program;

    /* libbpf keeps a copy of each program's instructions, which nothing reads any more. */
    bpf_object__for_each_program(program, *skeleton->obj)
    {
        pages_release(bpf_program__insns(program),
                      bpf_program__insn_cnt(program) * sizeof(struct bpf_insn));
    }
    malloc_trim(0);
    pages_release(skeleton->data, skeleton->data_sz); /* of weir's own file */
}
