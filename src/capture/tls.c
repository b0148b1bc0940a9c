/*
 * tls: the thread that follows what processes have mapped. /proc/PID/maps says it (proc(5)); the
 * kernel side tells when a process has started a program or loaded a library, and every few seconds
 * everything is looked at, which also finds what is no longer used.
 */
#include "capture/tls.h"
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include "base/allocate.h"
#include "capture/tls_files.h"
#include "capture/uprobes.h"

enum {
    PASS_MS = 10000,       /* between two looks at everything */
    STARTED_MAXIMUM = 256, /* processes that are looked at together */
    AGAIN_MAXIMUM = 64,    /* that are looked at once more, since their loader was not known */
    AGAIN_TIMES = 3,
    PATH_BYTES = 64,
    LINE_BYTES = 8192, /* of /proc/PID/maps */
    OLD_SESSIONS_MAXIMUM = 8192,
};
static const int again_ms[AGAIN_TIMES] = {20, 200, 1000};

struct again {
    uint32_t process;
    unsigned times;
    uint64_t due_ms;
};

struct tls {
    struct tls_files files;
    struct ring_buffer *ring;
    pthread_t thread;
    bool has_thread;
    int stop; /* eventfd */
    uint32_t started[STARTED_MAXIMUM];
    size_t started_count;
    bool is_crowded; /* more have started: everything is looked at */
    struct again again[AGAIN_MAXIMUM];
    size_t again_count;
    int missed; /* the kernel's counter of starts that were not told */
};

bool tls_program_is(const struct bpf_program *program)
{
    return bpf_program__type(program) == BPF_PROG_TYPE_KPROBE ||
           strcmp(bpf_program__name(program), "weir_tls_exec") == 0;
}

bool tls_map_is(const struct bpf_map *map)
{
    return strncmp(bpf_map__name(map), "weir_tls_", strlen("weir_tls_")) == 0;
}

int tls_prepare(struct weir *skeleton, char *message, size_t size)
{
    struct btf *btf = btf__load_vmlinux_btf();
    struct bpf_program *program;
    bool has_allocator, is_shared;

    if (!btf) {
        snprintf(message, size, "the kernel has no type information");
        return -EOPNOTSUPP;
    }
    /* Before 6.1 what uprobes add to a table must be there beforehand. */
    has_allocator = btf__find_by_name_kind(btf, "bpf_mem_alloc", BTF_KIND_STRUCT) > 0;
    is_shared = uprobes_are_shared(btf);
    btf__free(btf);
    bpf_object__for_each_program(program, skeleton->obj)
    {
        if (bpf_program__type(program) == BPF_PROG_TYPE_KPROBE)
            uprobes_prepare(program, is_shared);
    }
    if (has_allocator)
        return 0;
    bpf_map__set_map_flags(skeleton->maps.weir_tls_sessions, 0);
    bpf_map__set_max_entries(skeleton->maps.weir_tls_sessions, OLD_SESSIONS_MAXIMUM);
    bpf_map__set_map_flags(skeleton->maps.weir_tls_sockets, 0);
    bpf_map__set_max_entries(skeleton->maps.weir_tls_sockets, OLD_SESSIONS_MAXIMUM);
    return 0;
}

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* One line of /proc/PID/maps: "start-end rwxp offset device inode   path". */
static void mapping_use(struct tls *tls, uint32_t process, char *line)
{
    char path[PATH_BYTES], *name, *deleted;
    unsigned long long start, end, inode;
    char permissions[5];
    int at = 0;

    if (sscanf(line, "%llx-%llx %4s %*s %*s %llu %n", &start, &end, permissions, &inode, &at) < 4 ||
        permissions[2] != 'x' || !inode || line[at] != '/')
        return;
    line[strcspn(line, "\n")] = 0;
    name = strrchr(line + at, '/') + 1;
    deleted = strstr(name, " (deleted)");
    if (deleted)
        *deleted = 0;
    snprintf(path, sizeof(path), "/proc/%u/map_files/%llx-%llx", process, start, end);
    tls_files_use(&tls->files, path, name, !strstr(name, ".so"));
}

static void process_look(struct tls *tls, uint32_t process)
{
    char path[PATH_BYTES], line[LINE_BYTES];
    FILE *maps;

    if (process == (uint32_t)getpid())
        return;
    snprintf(path, sizeof(path), "/proc/%u/maps", process);
    maps = fopen(path, "re");
    if (!maps)
        return; /* it has ended */
    while (fgets(line, sizeof(line), maps))
        mapping_use(tls, process, line);
    fclose(maps);
}

/* What has just started looks once more when its dynamic linker was not known before. */
static void process_look_again(struct tls *tls, uint32_t process, unsigned times)
{
    if (times >= AGAIN_TIMES || tls->again_count == AGAIN_MAXIMUM)
        return;
    tls->again[tls->again_count++] =
        (struct again){.process = process, .times = times, .due_ms = now_ms() + again_ms[times]};
}

static void again_look(struct tls *tls)
{
    uint64_t now = now_ms();
    size_t count = tls->again_count;

    for (size_t i = 0; i < count;) {
        struct again again = tls->again[i];

        if (again.due_ms > now) {
            i++;
            continue;
        }
        tls->again[i] = tls->again[--tls->again_count];
        if (count > tls->again_count)
            count = tls->again_count;
        process_look(tls, again.process);
        process_look_again(tls, again.process, again.times + 1);
    }
}

static void folder_look(struct tls *tls, const char *folder)
{
    char path[512];
    DIR *entries = opendir(folder);
    struct dirent *entry;

    if (!entries)
        return;
    while ((entry = readdir(entries))) {
        if (!tls_files_are_named(entry->d_name))
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        tls_files_use(&tls->files, path, entry->d_name, false);
    }
    closedir(entries);
}

/* The usual folders of libraries, as the host sees them. */
static void folders_look(struct tls *tls)
{
    static const char *const folders[] = {
        "/proc/1/root/usr/lib",
        "/proc/1/root/usr/lib64",
        "/proc/1/root/usr/local/lib",
        "/proc/1/root/usr/lib/x86_64-linux-gnu",
        "/proc/1/root/usr/lib/aarch64-linux-gnu",
        "/proc/1/root/lib64",
        "/proc/1/root/lib/x86_64-linux-gnu",
        "/proc/1/root/lib/aarch64-linux-gnu",
        "/proc/1/root/lib",
    };

    for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
        folder_look(tls, folders[i]);
}

static void everything_look(struct tls *tls)
{
    DIR *processes = opendir("/proc");
    struct dirent *entry;

    tls_files_begin(&tls->files);
    folders_look(tls);
    while (processes && (entry = readdir(processes))) {
        char *end;
        unsigned long process = strtoul(entry->d_name, &end, 10);

        if (process && !*end)
            process_look(tls, (uint32_t)process);
    }
    if (processes)
        closedir(processes);
    tls_files_sweep(&tls->files);
}

/* libbpf's callback: a process that has started something. */
static int on_started(void *context, void *record, size_t size)
{
    struct tls *tls = context;
    uint32_t process;

    if (size < sizeof(process))
        return 0;
    memcpy(&process, record, sizeof(process));
    for (size_t i = 0; i < tls->started_count; i++)
        if (tls->started[i] == process)
            return 0;
    if (tls->started_count < STARTED_MAXIMUM)
        tls->started[tls->started_count++] = process;
    else
        tls->is_crowded = true;
    return 0;
}

static void started_look(struct tls *tls)
{
    for (size_t i = 0; i < tls->started_count; i++) {
        size_t loaders = tls->files.loaders;

        process_look(tls, tls->started[i]);
        if (tls->files.loaders > loaders)
            process_look_again(tls, tls->started[i], 0);
    }
    tls->started_count = 0;
}

static void *thread_run(void *context)
{
    struct tls *tls = context;
    uint64_t next_ms = now_ms() + PASS_MS;
    struct pollfd polls[] = {
        {.fd = tls->stop, .events = POLLIN},
        {.fd = ring_buffer__epoll_fd(tls->ring), .events = POLLIN},
    };

    for (;;) {
        uint64_t now = now_ms(), due = next_ms;

        for (size_t i = 0; i < tls->again_count; i++)
            if (tls->again[i].due_ms < due)
                due = tls->again[i].due_ms;
        poll(polls, 2, due > now ? (int)(due - now) : 0);
        if (polls[0].revents)
            return NULL;
        ring_buffer__consume(tls->ring);
        started_look(tls);
        again_look(tls);
        if (now_ms() < next_ms && !tls->is_crowded)
            continue;
        tls->is_crowded = false;
        everything_look(tls);
        next_ms = now_ms() + PASS_MS;
    }
}

/* Where programs go on with plaintext that they have found. 0 or -errno. */
static int continuation_set(const struct weir *skeleton)
{
    int program = bpf_program__fd(skeleton->progs.weir_tls_deliver);
    __u32 zero = 0;

    return bpf_map_update_elem(bpf_map__fd(skeleton->maps.weir_tls_continuation), &zero, &program,
                               BPF_ANY);
}

int tls_new(struct weir *skeleton, struct tls **ret_tls)
{
    struct tls *tls = allocate_zeroed(sizeof(*tls));
    int result = 0;

    if (!tls)
        return -ENOMEM;
    tls_files_init(&tls->files, skeleton);
    tls->missed = bpf_map__fd(skeleton->maps.weir_tls_missed);
    tls->stop = eventfd(0, EFD_CLOEXEC);
    tls->ring =
        ring_buffer__new(bpf_map__fd(skeleton->maps.weir_tls_started), on_started, tls, NULL);
    if (tls->stop < 0 || !tls->ring) {
        result = -errno;
    } else if (continuation_set(skeleton)) {
        result = -errno;
    } else {
        everything_look(tls);
        result = -pthread_create(&tls->thread, NULL, thread_run, tls);
        tls->has_thread = result == 0;
    }
    if (result)
        tls_free(&tls);
    *ret_tls = tls;
    return result;
}

void tls_free(struct tls **tls)
{
    uint64_t one = 1;

    if (!tls || !*tls)
        return;
    if ((*tls)->has_thread && write((*tls)->stop, &one, sizeof(one)) == sizeof(one))
        pthread_join((*tls)->thread, NULL);
    tls_files_done(&(*tls)->files);
    ring_buffer__free((*tls)->ring);
    if ((*tls)->stop >= 0)
        close((*tls)->stop);
    deallocate(*tls);
    *tls = NULL;
}

void tls_read(struct tls *tls, struct capture_tls *ret_state)
{
    uint64_t missed = 0;
    __u32 zero = 0;

    bpf_map_lookup_elem(tls->missed, &zero, &missed);
    tls_files_read(&tls->files, ret_state);
    ret_state->missed_starts = missed;
    ret_state->is_shared = uprobes_have_many(tls->files.skeleton->progs.weir_tls_read);
}
