/* after_loading: see the header. */
#include "capture/after_loading.h"

#include <bpf/libbpf.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

void after_loading(const struct bpf_object_skeleton *skeleton)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = ((uintptr_t)skeleton->data + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)skeleton->data + skeleton->data_sz) / page * page;

    malloc_trim(0);
    /* Clean pages of a file: whatever reads them later finds them in the page cache. */
    if (end > start)
        madvise((void *)start, end - start, MADV_DONTNEED);
}
