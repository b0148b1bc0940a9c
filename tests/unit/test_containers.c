/* containers: answers of the Docker Engine API, and a table that stays bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/allocate.h"
#include "metadata/containers.h"
#include "metadata/docker.h"

enum { RECORD_BYTES = 65536, PATIENCE_STEPS = 5000 };

static const char *const variables[] = {"STAGE", NULL};
static const char answer[] =
    "{\"Name\": \"/front\", \"Config\": {\"Image\": \"registry:5000/shop/front:1.2@sha256:00\","
    " \"Labels\": {\"app\": \"shop\", \"number\": 7, \"io.kubernetes.pod.name\": \"shop-1\"},"
    " \"Env\": [\"SECRET=1\", \"STAGE=blue\", 5]}}";

static void assert_text(struct slice text, const char *expected)
{
    if (!slice_is_equal(text, slice_of_string(expected)))
        fail_msg("'%.*s', not '%s'", (int)text.length, (const char *)text.data, expected);
}

static void an_answer_is_read(void **state)
{
    struct facts *facts = NULL;

    (void)state;
    assert_int_equal(docker_read(slice_of_string(answer), variables, &facts), 0);
    assert_text(facts->texts[FACTS_NAME], "front");
    assert_text(facts->texts[FACTS_IMAGE_NAME], "registry:5000/shop/front");
    assert_text(facts->texts[FACTS_IMAGE_TAG], "1.2");
    assert_text(facts->texts[FACTS_POD_NAME], "shop-1");
    assert_text(facts->texts[FACTS_POD_UID], "");
    assert_int_equal(facts->lists[FACTS_LABELS].count, 2);
    assert_text(facts->lists[FACTS_LABELS].items[0], "app=shop");
    assert_int_equal(facts->lists[FACTS_VARIABLES].count, 1);
    assert_text(facts->lists[FACTS_VARIABLES].items[0], "STAGE=blue");
    deallocate(facts);
}

static void nonsense_is_no_answer(void **state)
{
    static const char *const bodies[] = {
        "", "[]", "{}", "{\"Config\": 1}", "{\"Config\": {}", "null", "{\"Config\": []}"};
    struct facts *facts = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++)
        assert_true(docker_read(slice_of_string(bodies[i]), variables, &facts) < 0);
    for (size_t length = 0; length + 1 < sizeof(answer) - 1; length++)
        assert_true(docker_read(slice_of(answer, length), variables, &facts) < 0);
    /* All may be absent, or of another type. */
    assert_int_equal(
        docker_read(SLICE_LITERAL("{\"Name\": 1, \"Config\": {\"Labels\": [], \"Env\": {}}}"), NULL,
                    &facts),
        0);
    assert_int_equal(facts->lists[FACTS_LABELS].count + facts->lists[FACTS_VARIABLES].count +
                         facts->texts[FACTS_NAME].length,
                     0);
    deallocate(facts);
}

/* What is too much is left out, and no text is cut. */
static void labels_are_bounded(void **state)
{
    enum { COUNT = 500, BYTES = 64 * COUNT };
    struct facts *facts = NULL;
    char *body;
    size_t length;

    (void)state;
    body = allocate(BYTES);
    assert_non_null(body);
    length = (size_t)snprintf(body, BYTES, "{\"Config\": {\"Labels\": {");
    for (int i = 0; i < COUNT; i++)
        length += (size_t)snprintf(body + length, BYTES - length, "%s\"l%d\": \"%040d\"",
                                   i ? "," : "", i, i);
    length += (size_t)snprintf(body + length, BYTES - length, "}}}");
    assert_int_equal(docker_read(slice_of(body, length), NULL, &facts), 0);
    assert_int_equal(facts->lists[FACTS_LABELS].count, FACTS_ITEMS_MAXIMUM);
    for (uint32_t i = 0; i < facts->lists[FACTS_LABELS].count; i++)
        assert_true(facts->lists[FACTS_LABELS].items[i].length >= strlen("l0=") + 40);
    deallocate(facts);
    deallocate(body);
}

static void memory_may_run_out(void **state)
{
    bool has_failed = true;

    (void)state;
    for (uint64_t at = 1; has_failed; at++) {
        struct facts *facts = NULL;

        allocate_fail_at(at);
        docker_read(slice_of_string(answer), variables, &facts);
        has_failed = allocate_has_failed();
        allocate_fail_at(0);
        deallocate(facts);
    }
}

static enum containers_verdict tell(struct containers *containers, const char *id, uint64_t now_ns)
{
    struct record *record = record_new(RECORD_BYTES);
    enum containers_verdict verdict;

    assert_non_null(record);
    verdict = containers_tell(containers, slice_of_string(id), now_ns, record);
    record_unref(&record);
    return verdict;
}

/* 20,000 containers come and go, and no runtime answers. */
static void churn_is_bounded(void **state)
{
    enum { COUNT = 20000 };
    static const char *const sockets[] = {"/nowhere/at/all", NULL};
    struct containers_options options = {.sockets = sockets};
    struct containers_counters counters;
    struct containers *containers;
    char id[65];

    (void)state;
    assert_int_equal(containers_new(&options, &containers), 0);
    for (uint64_t i = 1; i <= COUNT; i++) {
        snprintf(id, sizeof(id), "%064llx", (unsigned long long)i);
        assert_int_not_equal(tell(containers, id, i), CONTAINERS_TOLD);
    }
    containers_count(containers, &counters);
    assert_int_equal(counters.remembered, CONTAINERS_MAXIMUM);
    /* What is asked is answered: that nobody knows it, and it is not asked again at once. */
    for (int step = 0; tell(containers, "last", COUNT) == CONTAINERS_ASKED; step++) {
        assert_true(step < PATIENCE_STEPS);
        usleep(1000);
    }
    containers_count(containers, &counters);
    assert_int_equal(tell(containers, "last", COUNT + 1), CONTAINERS_UNKNOWN);
    containers_free(&containers);
    record_pool_done();
}

/* A runtime that answers nobody before all have asked. */
struct slow_runtime {
    char path[64];
    int listener;
    pthread_t thread;
};

static void *answer_together(void *context)
{
    const struct slow_runtime *runtime = context;
    int asked[CONTAINERS_QUESTIONS_AT_ONCE];
    char text[4096];

    for (size_t i = 0; i < CONTAINERS_QUESTIONS_AT_ONCE; i++) {
        asked[i] = accept(runtime->listener, NULL, NULL);
        if (asked[i] < 0 || read(asked[i], text, sizeof(text)) <= 0)
            return NULL;
    }
    snprintf(text, sizeof(text), "HTTP/1.0 200 OK\r\n\r\n%s", answer);
    for (size_t i = 0; i < CONTAINERS_QUESTIONS_AT_ONCE; i++) {
        ssize_t written = write(asked[i], text, strlen(text));

        close(asked[i]);
        if (written <= 0)
            return NULL;
    }
    return context;
}

static void runtime_start(struct slow_runtime *runtime)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(runtime->path, sizeof(runtime->path), "/tmp/weir-runtime-%d", (int)getpid());
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", runtime->path);
    unlink(runtime->path);
    runtime->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(runtime->listener >= 0);
    assert_int_equal(bind(runtime->listener, (void *)&address, sizeof(address)), 0);
    assert_int_equal(listen(runtime->listener, CONTAINERS_QUESTIONS_AT_ONCE), 0);
    assert_int_equal(pthread_create(&runtime->thread, NULL, answer_together, runtime), 0);
}

static void several_are_asked_at_once(void **state)
{
    struct slow_runtime runtime = {.listener = -1};
    const char *const sockets[] = {runtime.path, NULL};
    struct containers_options options = {.sockets = sockets};
    struct containers *containers;
    void *has_answered = NULL;
    char id[16];

    (void)state;
    runtime_start(&runtime);
    assert_int_equal(containers_new(&options, &containers), 0);
    for (int i = 0; i < CONTAINERS_QUESTIONS_AT_ONCE; i++) {
        snprintf(id, sizeof(id), "%d", i);
        assert_int_equal(tell(containers, id, 1), CONTAINERS_ASKED);
    }
    for (int i = 0; i < CONTAINERS_QUESTIONS_AT_ONCE; i++) {
        snprintf(id, sizeof(id), "%d", i);
        for (int step = 0; tell(containers, id, 2) == CONTAINERS_ASKED; step++) {
            assert_true(step < PATIENCE_STEPS);
            usleep(1000);
        }
        assert_int_equal(tell(containers, id, 2), CONTAINERS_TOLD);
    }
    pthread_join(runtime.thread, &has_answered);
    assert_non_null(has_answered);
    containers_free(&containers);
    close(runtime.listener);
    unlink(runtime.path);
    record_pool_done();
}

static void nobody_is_asked_without_a_socket(void **state)
{
    static const char *const none[] = {NULL};
    struct containers_options options = {.sockets = none};
    struct containers *containers;

    (void)state;
    assert_int_equal(containers_new(&options, &containers), 0);
    assert_int_equal(tell(containers, "one", 1), CONTAINERS_UNKNOWN);
    containers_free(&containers);
    record_pool_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_read),
        cmocka_unit_test(nonsense_is_no_answer),
        cmocka_unit_test(labels_are_bounded),
        cmocka_unit_test(memory_may_run_out),
        cmocka_unit_test(churn_is_bounded),
        cmocka_unit_test(nobody_is_asked_without_a_socket),
        cmocka_unit_test(several_are_asked_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
