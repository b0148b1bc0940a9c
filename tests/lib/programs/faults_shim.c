/*
 * faults_shim: a disk, a clock, threads and memory that fail as the environment says; loaded with
 * LD_PRELOAD. What weir's own code calls is met, not what libraries do for themselves.
 *
 *   FAULT_PATH=FOLDER      files below it: FAULT_ERROR=NUMBER is the result of the operations
 *                          FAULT_FROM to FAULT_FROM + FAULT_COUNT - 1 that change something;
 *                          FAULT_SYNC_MS is how long each sync takes, and FAULT_SHORT how many
 *                          bytes the first write takes before it fails
 *   FAULT_CLOCK=SECONDS    the time of day jumps by so much and back, each FAULT_CLOCK_EVERY calls
 *   FAULT_CLOCK_FILE=FILE  eight bytes: the time of day is ahead by so many seconds, at any time
 *   FAULT_THREAD=N         the Nth thread cannot be made
 *   FAULT_MEMORY=N         the Nth block cannot be had, nor the FAULT_MEMORY_COUNT - 1 behind it
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static const char *path;
static long error, from, count, sync_ms, short_bytes, jump_s, jump_every, thread_at;
static long memory_at, memory_count;
static const volatile int64_t *clock_file;
static atomic_long short_left, operations, clock_calls, threads, blocks;
static uintptr_t program_from, program_to;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);

static long number(const char *name, long otherwise)
{
    const char *text = getenv(name);

    return text ? strtol(text, NULL, 10) : otherwise;
}

/* The program itself is the first that is told of. */
static int note_program(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size, (void)context;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];

        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
            continue;
        program_from = info->dlpi_addr + part->p_vaddr;
        program_to = program_from + part->p_memsz;
    }
    return 1;
}

static void open_clock(const char *name)
{
    int descriptor = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    void *bytes = descriptor < 0 ? MAP_FAILED : mmap(NULL, 8, PROT_READ, MAP_SHARED, descriptor, 0);

    if (bytes != MAP_FAILED)
        clock_file = bytes;
    if (descriptor >= 0)
        close(descriptor);
}

__attribute__((constructor)) static void begin(void)
{
    dl_iterate_phdr(note_program, NULL);
    path = getenv("FAULT_PATH");
    error = number("FAULT_ERROR", 0);
    from = number("FAULT_FROM", 1);
    count = number("FAULT_COUNT", 0);
    sync_ms = number("FAULT_SYNC_MS", 0);
    short_bytes = number("FAULT_SHORT", 0);
    atomic_store(&short_left, short_bytes != 0);
    jump_s = number("FAULT_CLOCK", 0);
    jump_every = number("FAULT_CLOCK_EVERY", 1000);
    thread_at = number("FAULT_THREAD", 0);
    memory_count = number("FAULT_MEMORY_COUNT", 1);
    memory_at = number("FAULT_MEMORY", 0);
    open_clock(getenv("FAULT_CLOCK_FILE"));
}

static int is_ours(const void *caller)
{
    return (uintptr_t)caller >= program_from && (uintptr_t)caller < program_to;
}

/* Is it a file below the folder? */
static int is_there(int descriptor)
{
    char link[64], name[4096];
    ssize_t length;

    if (!path)
        return 0;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", descriptor);
    length = readlink(link, name, sizeof(name) - 1);
    if (length < 0)
        return 0;
    name[length] = '\0';
    return strncmp(name, path, strlen(path)) == 0;
}

/* Not 0: the operation fails, and errno says how. */
static int fails(int descriptor)
{
    long at;

    if (!error || !is_there(descriptor))
        return 0;
    at = atomic_fetch_add(&operations, 1) + 1;
    if (at < from || at >= from + count)
        return 0;
    errno = (int)error;
    return 1;
}

#define NEXT(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t offset)
{
    return fails(descriptor) ? -1 : NEXT(pwrite)(descriptor, bytes, length, offset);
}

ssize_t write(int descriptor, const void *bytes, size_t length)
{
    return fails(descriptor) ? -1 : NEXT(write)(descriptor, bytes, length);
}

ssize_t writev(int descriptor, const struct iovec *parts, int part_count)
{
    if (!fails(descriptor))
        return NEXT(writev)(descriptor, parts, part_count);
    if (part_count == 1 && (long)parts->iov_len > short_bytes && atomic_exchange(&short_left, 0))
        return NEXT(write)(descriptor, parts->iov_base, (size_t)short_bytes);
    return -1;
}

int ftruncate(int descriptor, off_t length)
{
    return fails(descriptor) ? -1 : NEXT(ftruncate)(descriptor, length);
}

static void take_time(int descriptor)
{
    struct timespec pause = {sync_ms / 1000, sync_ms % 1000 * 1000000};

    if (sync_ms && is_there(descriptor))
        nanosleep(&pause, NULL);
}

int fdatasync(int descriptor)
{
    take_time(descriptor);
    return fails(descriptor) ? -1 : NEXT(fdatasync)(descriptor);
}

int fsync(int descriptor)
{
    take_time(descriptor);
    return fails(descriptor) ? -1 : NEXT(fsync)(descriptor);
}

int openat(int folder, const char *name, int flags, ...)
{
    va_list more;
    mode_t mode;

    va_start(more, flags);
    mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    if (flags & O_CREAT && fails(folder))
        return -1;
    return NEXT(openat)(folder, name, flags, mode);
}

int renameat(int folder, const char *name, int other, const char *other_name)
{
    return fails(folder) ? -1 : NEXT(renameat)(folder, name, other, other_name);
}

int unlinkat(int folder, const char *name, int flags)
{
    return fails(folder) ? -1 : NEXT(unlinkat)(folder, name, flags);
}

static long jump(void)
{
    return atomic_fetch_add(&clock_calls, 1) / jump_every % 2 ? jump_s : 0;
}

int clock_gettime(clockid_t which, struct timespec *now)
{
    int result = NEXT(clock_gettime)(which, now);

    if (jump_s && which == CLOCK_REALTIME)
        now->tv_sec += jump();
    if (clock_file && which == CLOCK_REALTIME)
        now->tv_sec += *clock_file;
    return result;
}

time_t time(time_t *ret_now)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (ret_now)
        *ret_now = now.tv_sec;
    return now.tv_sec;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument)
{
    if (thread_at && atomic_fetch_add(&threads, 1) + 1 == thread_at)
        return EAGAIN;
    return NEXT(pthread_create)(thread, attributes, run, argument);
}

static int is_denied(const void *caller)
{
    long at;

    if (!memory_at || !is_ours(caller))
        return 0;
    at = atomic_fetch_add(&blocks, 1) + 1;
    return at >= memory_at && at < memory_at + memory_count;
}

void *malloc(size_t size)
{
    return is_denied(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t members, size_t size)
{
    return is_denied(__builtin_return_address(0)) ? NULL : __libc_calloc(members, size);
}

void *realloc(void *block, size_t size)
{
    return is_denied(__builtin_return_address(0)) ? NULL : __libc_realloc(block, size);
}
