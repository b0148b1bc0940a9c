/* processes: what the kernel described is what is told, of the process it was said of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/allocate.h"
#include "refine/processes.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define UID "12345678-1234-1234-1234-123456789abc"

static void assert_text(struct slice text, const char *expected)
{
    if (!slice_is_equal(text, slice_of_string(expected)))
        fail_msg("'%.*s', not '%s'", (int)text.length, (const char *)text.data, expected);
}

static struct process_description description(uint64_t number, uint32_t pid, uint64_t start_ns)
{
    return (struct process_description){
        .number = number,
        .pid = pid,
        .own_pid = pid,
        .parent_pid = 1,
        .start_time_ns = start_ns,
        .started_ns = start_ns + 1000,
        .executable_path = SLICE_LITERAL("/usr/bin/one"),
        .cgroup = SLICE_LITERAL("/"),
    };
}

/* A pid that no process can have: /proc knows nothing of it. */
enum { NOBODY = 1u << 30 };

static void a_description_is_told(void **state)
{
    struct processes *processes;
    struct process_details details;
    struct process_description described = description(7, NOBODY, 5);
    struct process_identity identity = {.pid = NOBODY, .start_time_ns = 5, .number = 7};

    (void)state;
    described.own_pid = 3;
    described.command_line = SLICE_LITERAL("one --two three");
    described.cgroup = SLICE_LITERAL("/kubepods/burstable/pod" UID "/" ID);
    assert_int_equal(processes_new(&processes), 0);
    assert_int_equal(processes_learn(processes, &described), 0);
    processes_identify(processes, &identity, &details);
    assert_text(details.executable_path, "/usr/bin/one");
    assert_text(details.command_line, "one --two three");
    assert_text(details.container_id, ID);
    assert_text(details.pod_uid, UID);
    assert_text(details.owner, "root");
    assert_text(details.cgroup, "/kubepods/burstable/pod" UID "/" ID);
    assert_int_equal(details.own_pid, 3);
    assert_int_equal(details.parent_pid, 1);
    assert_int_equal(details.started_ns, 1005);
    processes_free(&processes);
}

static void either_hierarchy_names_the_container(void **state)
{
    static const struct {
        const char *unified, *controller, *id, *cgroup;
    } cases[] = {
        {"/docker/" OTHER, "/docker/" ID, OTHER, "/docker/" OTHER},
        {"/", "/docker/" ID, ID, "/docker/" ID},
        {"/system.slice/x.service", "/docker/" ID, ID, "/system.slice/x.service"},
        {"/", "", "", "/"},
        {"", "", "", ""},
    };
    struct processes *processes;
    struct process_details details;

    (void)state;
    assert_int_equal(processes_new(&processes), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct process_description described = description(i + 1, NOBODY, 5);
        struct process_identity identity = {.pid = NOBODY, .start_time_ns = 5, .number = i + 1};

        described.cgroup = slice_of_string(cases[i].unified);
        described.controller = slice_of_string(cases[i].controller);
        processes_learn(processes, &described);
        processes_identify(processes, &identity, &details);
        assert_text(details.container_id, cases[i].id);
        assert_text(details.cgroup, cases[i].cgroup);
    }
    processes_free(&processes);
}

/* The same pid: another start, or another program after exec, is told apart by the number. */
static void a_pid_that_is_used_again_is_another_process(void **state)
{
    struct processes *processes;
    struct process_details details;
    struct process_description first = description(1, NOBODY, 5),
                               second = description(2, NOBODY, 9);
    struct process_identity identity = {.pid = NOBODY, .start_time_ns = 5, .number = 1};

    (void)state;
    assert_int_equal(processes_new(&processes), 0);
    second.executable_path = SLICE_LITERAL("/usr/bin/two");
    processes_learn(processes, &first);
    processes_learn(processes, &second);
    processes_identify(processes, &identity, &details);
    assert_text(details.executable_path, "/usr/bin/one");
    identity.number = 2;
    processes_identify(processes, &identity, &details);
    assert_text(details.executable_path, "/usr/bin/two");
    identity.number = 3; /* never described, and /proc does not know it either */
    identity.start_time_ns = 11;
    processes_identify(processes, &identity, &details);
    assert_text(details.executable_path, "");
    processes_free(&processes);
}

static void proc_is_the_second_source(void **state)
{
    struct processes *processes;
    struct process_details details;
    struct process_identity identity = {.pid = (uint32_t)getpid()};
    unsigned long long ticks = 0;
    char path[512], text[1024] = "";
    FILE *file = fopen("/proc/self/stat", "r");
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    char *at;

    (void)state;
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
    fclose(file);
    at = strrchr(text, ')');
    for (int field = 2; field < 22; field++)
        at = strchr(at + 1, ' ');
    ticks = strtoull(at, NULL, 10);
    path[length > 0 ? length : 0] = 0;
    identity.start_time_ns = ticks * (1000000000ull / (uint64_t)sysconf(_SC_CLK_TCK));
    assert_int_equal(processes_new(&processes), 0);
    processes_identify(processes, &identity, &details);
    assert_text(details.executable_path, path);
    assert_int_equal(details.parent_pid, getppid());
    identity.start_time_ns += 1000000000ull; /* the number was somebody else's then */
    processes_identify(processes, &identity, &details);
    assert_text(details.executable_path, "");
    assert_int_equal(details.parent_pid, 0);
    processes_free(&processes);
}

/* 100,000 processes come and go: the table is bounded, says whom it forgot, and mixes none up. */
static void churn_is_bounded(void **state)
{
    enum { COUNT = 100000 };
    struct processes *processes;
    struct process_details details;
    char path[64];
    uint32_t forgotten = 0;

    (void)state;
    assert_int_equal(processes_new(&processes), 0);
    for (uint32_t i = 1; i <= COUNT; i++) {
        struct process_description described = description(i, NOBODY + i % 32768, i);
        struct process_identity identity = {
            .pid = NOBODY + i % 32768, .start_time_ns = i, .number = i};
        uint32_t pid;

        snprintf(path, sizeof(path), "/opt/program-%u", i);
        described.executable_path = slice_of_string(path);
        pid = processes_learn(processes, &described);
        if (pid) {
            forgotten++;
            assert_int_equal(pid, NOBODY + (i - PROCESSES_MAXIMUM) % 32768);
        }
        processes_identify(processes, &identity, &details);
        assert_text(details.executable_path, path);
        assert_true(processes_count(processes) <= PROCESSES_MAXIMUM);
    }
    assert_int_equal(forgotten, COUNT - PROCESSES_MAXIMUM);
    processes_free(&processes);
}

static void memory_may_run_out(void **state)
{
    struct process_description described = description(1, NOBODY, 5);
    struct process_identity identity = {.pid = NOBODY, .start_time_ns = 5, .number = 1};
    struct process_details details;
    bool has_failed = true;

    (void)state;
    for (uint64_t at = 1; has_failed; at++) {
        struct processes *processes = NULL;

        allocate_fail_at(at);
        if (processes_new(&processes) == 0) {
            processes_learn(processes, &described);
            processes_identify(processes, &identity, &details);
        }
        has_failed = allocate_has_failed();
        allocate_fail_at(0);
        processes_free(&processes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_description_is_told),
        cmocka_unit_test(either_hierarchy_names_the_container),
        cmocka_unit_test(a_pid_that_is_used_again_is_another_process),
        cmocka_unit_test(proc_is_the_second_source),
        cmocka_unit_test(churn_is_bounded),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
