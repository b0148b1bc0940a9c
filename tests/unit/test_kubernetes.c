/* kubernetes: objects by name, uid and address; lists and events as the API sends them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/allocate.h"
#include "metadata/kubernetes_objects.h"
#include "metadata/kubernetes_read.h"

static const char *const annotations[] = {"team", NULL};
static const struct kubernetes_wishes wishes = {annotations};
static struct kubernetes_draft draft;

static const char pod_list[] =
    "{\"metadata\": {\"resourceVersion\": \"77\", \"continue\": \"a/=+\"}, \"items\": "
    "[{\"metadata\": {\"name\": \"shop-1\", \"namespace\": \"prod\", \"uid\": \"u1\", "
    "\"labels\": {\"app\": \"shop\", \"n\": 7}, "
    "\"annotations\": {\"team\": \"blue\", \"kubernetes.io/config.hash\": "
    "\"h1\"}, \"ownerReferences\": [{\"kind\": \"X\", \"name\": \"x\"}, {\"kind\": \"ReplicaSet\", "
    "\"name\": \"shop-5d\", \"uid\": \"r1\", \"controller\": true}]}, \"spec\": {\"nodeName\": "
    "\"node-a\"}, \"status\": {\"phase\": \"Running\", \"podIP\": \"10.0.0.1\", \"podIPs\": "
    "[{\"ip\": \"10.0.0.1\"}, {\"ip\": \"fd00::1\"}]}}, {\"metadata\": {}}, 5]}";
static const char slice_event[] =
    "{\"type\": \"MODIFIED\", \"object\": {\"metadata\": {\"name\": \"shop-x\", \"namespace\": "
    "\"prod\", \"resourceVersion\": \"78\", \"labels\": {\"kubernetes.io/service-name\": "
    "\"shop\"}}, "
    "\"ports\": [{\"port\": 80}, {\"port\": null}], \"endpoints\": [{\"addresses\": [\"10.0.0.1\", "
    "\"no.address\"], \"nodeName\": \"node-a\", \"targetRef\": {\"kind\": \"Pod\", \"name\": "
    "\"shop-1\"}}]}}";

static void assert_text(struct slice text, const char *expected)
{
    if (!slice_is_equal(text, slice_of_string(expected)))
        fail_msg("'%.*s', not '%s'", (int)text.length, (const char *)text.data, expected);
}

static struct address address_of(const char *text)
{
    struct address address = {.family = ADDRESS_NONE};

    assert_int_equal(address_parse(slice_of_string(text), &address), 0);
    return address;
}

static struct kubernetes_names names_of(const struct kubernetes_objects *objects,
                                        const char *address, uint16_t port)
{
    struct address parsed = address_of(address);
    struct kubernetes_names names;

    kubernetes_objects_name(objects, &parsed, port, &names);
    return names;
}

static void start(enum kubernetes_kind kind, const char *in, const char *name, const char *uid)
{
    kubernetes_draft_clear(&draft, kind);
    kubernetes_draft_set(&draft, KUBERNETES_IN, slice_of_string(in));
    kubernetes_draft_set(&draft, KUBERNETES_NAME, slice_of_string(name));
    kubernetes_draft_set(&draft, KUBERNETES_UID, slice_of_string(uid));
}

static void place(const char *address, const char *pod)
{
    kubernetes_draft_place(&draft, slice_of_string(address), slice_of_string(pod),
                           (struct slice){NULL, 0});
}

static void take(void *context, const struct kubernetes_draft *taken)
{
    kubernetes_objects_put(context, taken, 1, 0);
}

static int read_list(struct slice body, struct kubernetes_objects *objects,
                     struct kubernetes_page *page)
{
    return kubernetes_read_list(body, KUBERNETES_POD, &wishes, &draft, take, objects, page);
}

static int read_event(struct slice line, enum kubernetes_event *event, char *version)
{
    unsigned code;

    return kubernetes_read_event(line, KUBERNETES_SLICE, &wishes, &draft, event, version, &code);
}

static void a_list_is_read(void **state)
{
    struct kubernetes_objects objects;
    const struct kubernetes_object *pod;
    struct kubernetes_page page;

    (void)state;
    kubernetes_objects_init(&objects);
    assert_int_equal(read_list(slice_of_string(pod_list), &objects, &page), 0);
    assert_string_equal(page.version, "77");
    assert_string_equal(page.next, "a/=+");
    pod = kubernetes_objects_pod(&objects, SLICE_LITERAL("u1"));
    assert_non_null(pod);
    assert_ptr_equal(pod, kubernetes_objects_pod(&objects, SLICE_LITERAL("h1")));
    assert_text(pod->texts[KUBERNETES_OWNER_KIND], "ReplicaSet");
    assert_text(pod->texts[KUBERNETES_OWNER_NAME], "shop-5d");
    assert_text(pod->texts[KUBERNETES_NODE_NAME], "node-a");
    assert_int_equal(pod->label_count, 1);
    assert_text(pod->labels[0], "app=shop");
    assert_int_equal(pod->annotation_count, 1);
    assert_text(pod->annotations[0], "team=blue");
    assert_int_equal(pod->place_count, 2);
    assert_text(names_of(&objects, "fd00::1", 0).pod, "shop-1");
    assert_int_equal(objects.by_name.count, 1);
    kubernetes_objects_done(&objects);
}

static void an_event_is_read(void **state)
{
    char version[KUBERNETES_VERSION_BYTES];
    enum kubernetes_event event;
    unsigned code = 0;

    (void)state;
    assert_int_equal(read_event(slice_of_string(slice_event), &event, version), 0);
    assert_int_equal(event, KUBERNETES_CHANGED);
    assert_string_equal(version, "78");
    assert_text(draft.texts[KUBERNETES_SERVICE_NAME], "shop");
    assert_int_equal(draft.port_count, 1);
    assert_int_equal(draft.place_count, 1);
    assert_text(draft.places[0].pod, "shop-1");
    assert_int_equal(
        kubernetes_read_event(
            SLICE_LITERAL(
                "{\"type\": \"ERROR\", \"object\": {\"kind\": \"Status\", \"code\": 410}}"),
            KUBERNETES_POD, &wishes, &draft, &event, version, &code),
        0);
    assert_int_equal(event, KUBERNETES_ERROR);
    assert_int_equal(code, 410);
    assert_int_equal(read_event(SLICE_LITERAL("{\"type\": \"BOOKMARK\", \"object\": {\"metadata\": "
                                              "{\"resourceVersion\": \"99\"}}}"),
                                &event, version),
                     0);
    assert_int_equal(event, KUBERNETES_BOOKMARK);
    assert_string_equal(version, "99");
}

static void nonsense_is_refused(void **state)
{
    static const char *const bodies[] = {
        "",
        "[]",
        "{}",
        "null",
        "{\"items\": []}",
        "{\"metadata\": {}, \"items\": {}}",
        "{\"type\": \"ADDED\"}",
        "{\"type\": \"WHAT\", \"object\": {}}",
        "{\"type\": \"ADDED\", \"object\": {\"metadata\": {\"name\": 5}}}"};
    char version[KUBERNETES_VERSION_BYTES];
    struct kubernetes_objects objects;
    struct kubernetes_page page;
    enum kubernetes_event event;

    (void)state;
    kubernetes_objects_init(&objects);
    for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
        assert_int_equal(read_list(slice_of_string(bodies[i]), &objects, &page), -EPROTO);
        assert_int_equal(read_event(slice_of_string(bodies[i]), &event, version), -EPROTO);
    }
    for (size_t length = 0; length < sizeof(pod_list) - 1; length++)
        assert_int_equal(read_list(slice_of(pod_list, length), &objects, &page), -EPROTO);
    for (size_t length = 0; length < sizeof(slice_event) - 1; length++)
        assert_int_equal(read_event(slice_of(slice_event, length), &event, version), -EPROTO);
    /* Of an empty list the items may be null; a version that is too long is none. */
    assert_int_equal(
        read_list(SLICE_LITERAL("{\"metadata\": {\"resourceVersion\": \"0123456789012345"
                                "67890123456789012345678901234567890123456789012345\"}, "
                                "\"items\": null}"),
                  &objects, &page),
        0);
    assert_string_equal(page.version, "");
    assert_int_equal(objects.by_name.count, 0);
    kubernetes_objects_done(&objects);
}

/* A pod that ended, and one in the node's network, are not named by their address. */
static void addresses_of_others_name_no_pod(void **state)
{
    static const char *const pods[] = {
        "\"spec\": {}, \"status\": {\"phase\": \"Succeeded\", \"podIP\": \"10.0.0.9\"}",
        "\"spec\": {}, \"status\": {\"phase\": \"Failed\", \"podIP\": \"10.0.0.9\"}",
        "\"spec\": {\"hostNetwork\": true}, \"status\": {\"podIP\": \"10.0.0.9\"}"};
    struct kubernetes_objects objects;
    struct kubernetes_page page;
    char body[512];

    (void)state;
    kubernetes_objects_init(&objects);
    for (size_t i = 0; i < sizeof(pods) / sizeof(*pods); i++) {
        snprintf(body, sizeof(body),
                 "{\"metadata\": {}, \"items\": [{\"metadata\": {\"name\": \"p%zu\"}, %s}]}", i,
                 pods[i]);
        assert_int_equal(read_list(slice_of_string(body), &objects, &page), 0);
    }
    assert_int_equal(objects.by_name.count, 3);
    assert_int_equal(names_of(&objects, "10.0.0.9", 0).pod.length, 0);
    kubernetes_objects_done(&objects);
}

static void only_certain_names_are_told(void **state)
{
    struct kubernetes_objects objects;

    (void)state;
    kubernetes_objects_init(&objects);
    start(KUBERNETES_SERVICE, "prod", "shop", "s1");
    place("10.1.0.1", "");
    kubernetes_draft_port(&draft, 80);
    assert_true(kubernetes_objects_put(&objects, &draft, 1, 0));
    assert_text(names_of(&objects, "10.1.0.1", 80).service, "shop");
    assert_int_equal(names_of(&objects, "10.1.0.1", 81).service.length, 0);
    start(KUBERNETES_POD, "prod", "one", "p1");
    place("10.0.0.1", "");
    kubernetes_objects_put(&objects, &draft, 1, 0);
    assert_text(names_of(&objects, "10.0.0.1", 0).pod, "one");
    start(KUBERNETES_POD, "prod", "two", "p2");
    place("10.0.0.1", "");
    kubernetes_objects_put(&objects, &draft, 1, 0);
    assert_int_equal(names_of(&objects, "10.0.0.1", 0).pod.length, 0);
    kubernetes_objects_remove(&objects, KUBERNETES_POD, SLICE_LITERAL("prod"), SLICE_LITERAL("one"),
                              5);
    assert_text(names_of(&objects, "10.0.0.1", 0).pod, "two");
    /* A node's address is not a pod's. */
    start(KUBERNETES_NODE, "", "node-a", "n1");
    place("10.0.0.1", "");
    kubernetes_objects_put(&objects, &draft, 1, 0);
    assert_int_equal(names_of(&objects, "10.0.0.1", 0).pod.length, 0);
    assert_text(names_of(&objects, "10.0.0.1", 0).node, "node-a");
    assert_int_equal(objects.address_count, 3);
    kubernetes_objects_done(&objects);
    assert_int_equal(objects.address_count, 0);
}

/* A StatefulSet's pod comes again with its name and address, and another uid. */
static void pods_are_replaced_and_remembered(void **state)
{
    struct kubernetes_objects objects;

    (void)state;
    kubernetes_objects_init(&objects);
    for (int turn = 0; turn < 3; turn++) {
        start(KUBERNETES_POD, "prod", "db-0", turn == 2 ? "new" : "old");
        place(turn == 0 ? "10.0.0.1" : "10.0.0.2", "");
        assert_true(kubernetes_objects_put(&objects, &draft, 1, 100));
        assert_int_equal(objects.by_name.count, 1);
        assert_int_equal(objects.address_count, 1);
    }
    assert_true(kubernetes_objects_pod(&objects, SLICE_LITERAL("old"))->is_gone);
    assert_false(kubernetes_objects_pod(&objects, SLICE_LITERAL("new"))->is_gone);
    assert_int_equal(names_of(&objects, "10.0.0.1", 0).pod.length, 0);
    assert_text(names_of(&objects, "10.0.0.2", 0).pod, "db-0");
    kubernetes_objects_tick(&objects, 99 + KUBERNETES_GONE_NS);
    assert_non_null(kubernetes_objects_pod(&objects, SLICE_LITERAL("old")));
    kubernetes_objects_tick(&objects, 100 + KUBERNETES_GONE_NS);
    assert_null(kubernetes_objects_pod(&objects, SLICE_LITERAL("old")));
    /* What a new list does not have is gone. */
    start(KUBERNETES_POD, "prod", "db-1", "u1");
    kubernetes_objects_put(&objects, &draft, 2, 100);
    kubernetes_objects_sweep(&objects, KUBERNETES_POD, 2, 200);
    assert_null(kubernetes_objects_find(&objects, KUBERNETES_POD, SLICE_LITERAL("prod"),
                                        SLICE_LITERAL("db-0")));
    assert_non_null(kubernetes_objects_pod(&objects, SLICE_LITERAL("u1")));
    kubernetes_objects_done(&objects);
}

/* 200,000 pods, of which 1,000 live at a time, and then too many at once. */
static void churn_is_bounded(void **state)
{
    enum { COUNT = 200000, ALIVE = 1000 };
    struct kubernetes_objects objects;
    char name[32], address[32];

    (void)state;
    kubernetes_objects_init(&objects);
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), "pod-%d", i);
        snprintf(address, sizeof(address), "10.%d.%d.%d", i >> 16 & 1, i >> 8 & 255, i & 255);
        start(KUBERNETES_POD, "load", name, name);
        place(address, "");
        assert_true(kubernetes_objects_put(&objects, &draft, 1, (uint64_t)i * 1000000000u));
        kubernetes_objects_tick(&objects, (uint64_t)i * 1000000000u);
        if (i < ALIVE)
            continue;
        snprintf(name, sizeof(name), "pod-%d", i - ALIVE);
        kubernetes_objects_remove(&objects, KUBERNETES_POD, SLICE_LITERAL("load"),
                                  slice_of_string(name), (uint64_t)i * 1000000000u);
        assert_true(objects.by_name.count == ALIVE && objects.gone_count <= 61 &&
                    objects.address_count == ALIVE && objects.by_uid.count <= ALIVE + 61);
    }
    for (int i = 0; i < KUBERNETES_OBJECTS_MAXIMUM + 100; i++) {
        snprintf(name, sizeof(name), "more-%d", i);
        start(KUBERNETES_REPLICASET, "load", name, name);
        kubernetes_objects_put(&objects, &draft, 1, 0);
    }
    assert_int_equal(objects.by_name.count + objects.gone_count, KUBERNETES_OBJECTS_MAXIMUM);
    assert_true(objects.refused >= 100);
    kubernetes_objects_done(&objects);
}

static void memory_may_run_out(void **state)
{
    bool has_failed = true;

    (void)state;
    for (uint64_t at = 1; has_failed; at++) {
        struct kubernetes_objects objects;
        struct kubernetes_page page;

        kubernetes_objects_init(&objects);
        allocate_fail_at(at);
        read_list(slice_of_string(pod_list), &objects, &page);
        names_of(&objects, "10.0.0.1", 80);
        has_failed = allocate_has_failed();
        allocate_fail_at(0);
        kubernetes_objects_done(&objects);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_read),
        cmocka_unit_test(an_event_is_read),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(addresses_of_others_name_no_pod),
        cmocka_unit_test(only_certain_names_are_told),
        cmocka_unit_test(pods_are_replaced_and_remembered),
        cmocka_unit_test(churn_is_bounded),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
