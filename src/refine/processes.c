#include "refine/processes.h"
#include <errno.h>
#include "base/allocate.h"
#include "base/table.h"
#include "refine/container.h"
#include "refine/owners.h"
#include "refine/processes_proc.h"

enum { CONTAINER_TEXT_MAXIMUM = 256 };
enum { OWNER_QUESTIONS_SHIFT = 40 }; /* below: descriptions */
#define FROM_PROC (1ull << 63)       /* in numbers of those that the kernel did not describe */

/* One allocation: the texts stand behind it. */
struct process {
    struct process *newer, *older; /* by use */
    uint64_t number, start_time_ns;
    uint32_t pid;
    struct process_details details;
    char texts[];
};

struct processes {
    struct table table; /* by number */
    struct process *newest, *oldest;
    struct owners owners;
    uint64_t descriptions; /* learned so far */
};

int processes_new(struct processes **ret_processes)
{
    struct processes *processes = allocate_zeroed(sizeof(*processes));

    if (!processes)
        return -ENOMEM;
    table_init(&processes->table, PROCESSES_MAXIMUM);
    *ret_processes = processes;
    return 0;
}

static void unlink_process(struct processes *processes, struct process *process)
{
    *(process->newer ? &process->newer->older : &processes->newest) = process->older;
    *(process->older ? &process->older->newer : &processes->oldest) = process->newer;
}

static void link_newest(struct processes *processes, struct process *process)
{
    process->newer = NULL;
    process->older = processes->newest;
    *(processes->newest ? &processes->newest->newer : &processes->oldest) = process;
    processes->newest = process;
}

static void forget(struct processes *processes, struct process *process)
{
    unlink_process(processes, process);
    table_remove(&processes->table, process->number);
    deallocate(process);
}

void processes_free(struct processes **processes)
{
    if (!*processes)
        return;
    while ((*processes)->oldest)
        forget(*processes, (*processes)->oldest);
    table_done(&(*processes)->table);
    deallocate(*processes);
    *processes = NULL;
}

static struct slice keep(char **texts, struct slice text)
{
    struct slice kept = slice_of(*texts, text.length);

    if (text.length)
        memcpy(*texts, text.data, text.length);
    *texts += text.length;
    return kept;
}

/* The v1 hierarchy's path when only that one names a container. */
static bool container_find(const struct process_description *described, struct container *container)
{
    return container_of_cgroup(described->cgroup, container) ||
           container_of_cgroup(described->controller, container);
}

static void describe(struct process *process, const struct process_description *described,
                     const struct container *container)
{
    struct process_details *details = &process->details;
    bool is_unified = described->cgroup.length > 1 || !described->controller.length;
    char *texts = process->texts;

    process->number = described->number;
    process->pid = described->pid;
    process->start_time_ns = described->start_time_ns;
    details->executable_path = keep(&texts, described->executable_path);
    details->command_line = keep(&texts, described->command_line);
    details->cgroup = keep(&texts, is_unified ? described->cgroup : described->controller);
    details->container_id = slice_of(texts, container_write_id(container, (uint8_t *)texts));
    texts += details->container_id.length;
    details->container_runtime = container->runtime; /* static */
    details->pod_uid = keep(&texts, container->pod);
    for (size_t i = 0; i < container->pod.length; i++)
        if (details->pod_uid.data[i] == '_') /* in systemd's paths a dash has another meaning */
            texts[(ptrdiff_t)i - (ptrdiff_t)container->pod.length] = '-';
    details->started_ns = described->started_ns;
    details->parent_pid = described->parent_pid;
    details->own_pid = described->own_pid != described->pid ? described->own_pid : 0;
}

uint32_t processes_learn(struct processes *processes, const struct process_description *described)
{
    struct container container = {.id = {NULL, 0}};
    struct process *process, *old = table_find(&processes->table, described->number);
    uint32_t forgotten = 0;

    if (!container_find(described, &container) || container.id.length > CONTAINER_TEXT_MAXIMUM)
        container = (struct container){.id = {NULL, 0}};
    process = allocate_zeroed(sizeof(*process) + described->executable_path.length +
                              described->command_line.length + described->cgroup.length +
                              described->controller.length + container.id.length +
                              container.pod.length);
    if (!process)
        return 0;
    describe(process, described, &container);
    process->details.version = ++processes->descriptions;
    if (old) {
        forget(processes, old);
    } else if (processes->table.count >= PROCESSES_MAXIMUM) {
        forgotten = processes->oldest->pid;
        forget(processes, processes->oldest);
    }
    if (table_set(&processes->table, process->number, process))
        deallocate(process);
    else
        link_newest(processes, process);
    return forgotten;
}

/* By pid and start, as far as /proc has it. */
static struct process *look_up(struct processes *processes, const struct process_identity *identity)
{
    uint64_t number = FROM_PROC | (uint64_t)identity->pid << 32 |
                      ((identity->start_time_ns / 1000) & UINT32_MAX);
    struct process *process = table_find(&processes->table, number);
    struct proc_texts *texts;
    struct process_description described;

    if (process && process->start_time_ns == identity->start_time_ns)
        return process;
    texts = allocate(sizeof(*texts));
    if (!texts)
        return NULL;
    processes_proc_read(identity, texts, &described);
    described.number = number;
    processes_learn(processes, &described);
    deallocate(texts);
    return table_find(&processes->table, number);
}

/*
 * The process, which is then among the two used last. Those two may stand in any order: records of
 * a server and its client on this host name both of them in turn.
 */
static struct process *use(struct processes *processes, const struct process_identity *identity)
{
    struct process *process = processes->newest;

    for (unsigned i = 0; i < 2 && process; i++, process = process->older)
        if (process->number == identity->number)
            return process;
    process = identity->number ? table_find(&processes->table, identity->number) : NULL;
    if (!process)
        process = look_up(processes, identity);
    if (process && process != processes->newest) {
        unlink_process(processes, process);
        link_newest(processes, process);
    }
    return process;
}

void processes_identify(struct processes *processes, const struct process_identity *identity,
                        struct process_details *ret_details)
{
    struct process *process = use(processes, identity);

    if (process) {
        *ret_details = process->details;
    } else {
        *ret_details = (struct process_details){.owner = {NULL, 0}};
    }
    ret_details->owner = owners_name(&processes->owners, identity->user_id);
    if (process)
        ret_details->version += processes->owners.questions << OWNER_QUESTIONS_SHIFT;
}

size_t processes_count(const struct processes *processes)
{
    return processes->table.count;
}
