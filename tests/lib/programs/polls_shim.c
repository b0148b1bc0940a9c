/*
 * polls_shim: counts how often a program and its libraries ask the kernel for news, and writes the
 * number to the file POLLS_FILE at the end; loaded with LD_PRELOAD.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static atomic_long polls;

int poll(struct pollfd *descriptors, nfds_t count, int timeout_ms)
{
    struct timespec time = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};

    atomic_fetch_add(&polls, 1);
    return (int)syscall(SYS_ppoll, descriptors, count, timeout_ms < 0 ? NULL : &time, NULL, 0);
}

int __poll_chk(struct pollfd *descriptors, nfds_t count, int timeout_ms, size_t size)
{
    (void)size;
    return poll(descriptors, count, timeout_ms);
}

__attribute__((destructor)) static void tell(void)
{
    const char *path = getenv("POLLS_FILE");
    FILE *file = path ? fopen(path, "w") : NULL;

    if (file) {
        fprintf(file, "%ld\n", atomic_load(&polls));
        fclose(file);
    }
}
