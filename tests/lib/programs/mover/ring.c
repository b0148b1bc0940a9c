/* ring: io_uring through its raw system calls, as no library may be there. */
#include "mover.h"
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* One io_uring operation through the raw system calls: 0 moved nothing, -1 not offered here. */
static ssize_t ring_operation(int opcode, char *data, size_t count)
{
    struct io_uring_params parameters = {0};
    int ring = syscall(__NR_io_uring_setup, 4, &parameters);
    if (ring < 0)
        return -1;
    size_t submit_size = parameters.sq_off.array + parameters.sq_entries * sizeof(unsigned);
    size_t complete_size = parameters.cq_off.cqes +
                           parameters.cq_entries * sizeof(struct io_uring_cqe);
    char *submit =
        mmap(NULL, submit_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    char *complete =
        mmap(NULL, complete_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
    struct io_uring_sqe *entries = mmap(NULL, parameters.sq_entries * sizeof(*entries),
                                        PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
    if (submit == MAP_FAILED || complete == MAP_FAILED || entries == MAP_FAILED)
        fail("mmap of ring");
    entries[0] = (struct io_uring_sqe){
        .opcode = opcode, .fd = fd, .addr = (unsigned long)data, .len = count};
    *(unsigned *)(submit + parameters.sq_off.array) = 0;
    __atomic_store_n((unsigned *)(submit + parameters.sq_off.tail), 1, __ATOMIC_RELEASE);
    if (syscall(__NR_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
        fail("io_uring_enter");
    struct io_uring_cqe *result = (struct io_uring_cqe *)(complete + parameters.cq_off.cqes);
    ssize_t moved = result->res;
    munmap(submit, submit_size);
    munmap(complete, complete_size);
    munmap(entries, parameters.sq_entries * sizeof(*entries));
    close(ring);
    if (moved < 0) {
        errno = -moved;
        fail("io_uring result");
    }
    return moved;
}

bool move_by_ring(int opcode, char *data, size_t count)
{
    for (size_t at = 0; at < count;) {
        ssize_t moved = ring_operation(opcode, data + at, count - at);
        if (moved < 0)
            return false;
        if (moved == 0)
            fail("io_uring end of stream");
        at += moved;
    }
    return true;
}
