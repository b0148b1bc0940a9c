/* cri: answers of a container runtime, whole, damaged and too large. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/allocate.h"
#include "base/buffer.h"
#include "metadata/cri.h"

static const char *const variables[] = {"STAGE", NULL};
static const char *const annotations[] = {"team", NULL};
static const struct cri_wishes wishes = {variables, annotations};

static void assert_text(struct slice text, const char *expected)
{
    if (!slice_is_equal(text, slice_of_string(expected)))
        fail_msg("'%.*s', not '%s'", (int)text.length, (const char *)text.data, expected);
}

static void put_varint(struct buffer *buffer, uint64_t number)
{
    uint8_t byte;

    for (; number >= 0x80; number >>= 7) {
        byte = (uint8_t)(number | 0x80);
        assert_int_equal(buffer_append(buffer, slice_of(&byte, 1)), 0);
    }
    byte = (uint8_t)number;
    assert_int_equal(buffer_append(buffer, slice_of(&byte, 1)), 0);
}

static void put(struct buffer *buffer, unsigned field, struct slice bytes)
{
    put_varint(buffer, field << 3 | 2);
    put_varint(buffer, bytes.length);
    assert_int_equal(buffer_append(buffer, bytes), 0);
}

static void put_text(struct buffer *buffer, unsigned field, const char *text)
{
    put(buffer, field, slice_of_string(text));
}

static void put_entry(struct buffer *buffer, unsigned field, const char *key, const char *value)
{
    struct buffer entry;

    buffer_init(&entry, 65536);
    put_text(&entry, 1, key);
    put_text(&entry, 2, value);
    put(buffer, field, buffer_slice(&entry));
    buffer_done(&entry);
}

/* Wraps what is in the buffer as one field. */
static void wrap(struct buffer *buffer, unsigned field)
{
    struct buffer whole;

    buffer_init(&whole, 1 << 20);
    put(&whole, field, buffer_slice(buffer));
    buffer_done(buffer);
    *buffer = whole;
}

/* `label_count`: further labels. */
static void make_container(struct buffer *answer, int label_count)
{
    struct buffer part;
    char name[32];

    buffer_init(answer, 1 << 20);
    buffer_init(&part, 1024);
    put_text(answer, 1, "0123");
    put_text(&part, 1, "web");
    put(answer, 2, buffer_slice(&part));
    buffer_consume(&part, SIZE_MAX);
    put_varint(answer, 3 << 3); /* a number, as the state is */
    put_varint(answer, 1);
    put_text(&part, 1, "registry:5000/shop/web:1.2@sha256:00");
    put(answer, 8, buffer_slice(&part));
    buffer_done(&part);
    put_entry(answer, 12, "layer", "front");
    put_entry(answer, 12, "io.kubernetes.pod.name", "shop-1");
    for (int i = 0; i < label_count; i++) {
        snprintf(name, sizeof(name), "label-%d", i);
        put_entry(answer, 12, name, "0123456789012345678901234567890123456789");
    }
    wrap(answer, 1);
    put_entry(answer, 2, "info",
              "{\"runtimeSpec\": {\"process\": {\"env\": [\"A=1\", \"STAGE=blue\", 3]}}}");
}

static void make_pod(struct buffer *answer)
{
    struct buffer part;

    buffer_init(answer, 1 << 20);
    buffer_init(&part, 1024);
    put_text(&part, 1, "shop-1");
    put_text(&part, 2, "uid-1");
    put_text(&part, 3, "prod");
    put_text(answer, 1, "4567");
    put(answer, 2, buffer_slice(&part));
    buffer_done(&part);
    put_entry(answer, 7, "app", "shop");
    put_entry(answer, 7, "io.kubernetes.pod.uid", "uid-1");
    put_entry(answer, 8, "team", "blue");
    put_entry(answer, 8, "other", "red");
    wrap(answer, 1);
}

static struct facts *read_both(struct slice container, struct slice pod)
{
    struct facts_draft *draft = facts_draft_new();
    struct facts *facts = NULL;

    if (draft && cri_read_container(container, &wishes, draft) == 0) {
        cri_read_pod(pod, &wishes, draft);
        facts = facts_finish(draft);
    }
    deallocate(draft);
    return facts;
}

static void answers_are_read(void **state)
{
    struct buffer container, pod;
    struct facts *facts;

    (void)state;
    make_container(&container, 0);
    make_pod(&pod);
    facts = read_both(buffer_slice(&container), buffer_slice(&pod));
    assert_non_null(facts);
    assert_text(facts->texts[FACTS_NAME], "web");
    assert_text(facts->texts[FACTS_IMAGE_NAME], "registry:5000/shop/web");
    assert_text(facts->texts[FACTS_IMAGE_TAG], "1.2");
    assert_text(facts->texts[FACTS_POD_NAME], "shop-1");
    assert_text(facts->texts[FACTS_POD_UID], "uid-1");
    assert_text(facts->texts[FACTS_NAMESPACE], "prod");
    assert_text(facts->texts[FACTS_POD_CONTAINER], "web");
    assert_int_equal(facts->lists[FACTS_LABELS].count, 2);
    assert_text(facts->lists[FACTS_LABELS].items[0], "layer=front");
    assert_int_equal(facts->lists[FACTS_VARIABLES].count, 1);
    assert_text(facts->lists[FACTS_VARIABLES].items[0], "STAGE=blue");
    assert_int_equal(facts->lists[FACTS_POD_LABELS].count, 1);
    assert_text(facts->lists[FACTS_POD_LABELS].items[0], "app=shop");
    assert_int_equal(facts->lists[FACTS_POD_ANNOTATIONS].count, 1);
    deallocate(facts);
    buffer_done(&container);
    buffer_done(&pod);
}

/* Cut anywhere, and with any byte changed: no more is read than there is. */
static void damage_is_survived(void **state)
{
    struct buffer container, pod;

    (void)state;
    make_container(&container, 2);
    make_pod(&pod);
    for (size_t at = 0; at < container.length; at++) {
        uint8_t *copy = allocate(at + 1), byte = container.data[at];

        memcpy(copy, container.data, at);
        deallocate(read_both(slice_of(copy, at), slice_of(copy, at)));
        deallocate(copy);
        for (int change = 1; change < 256; change <<= 1) {
            container.data[at] = byte ^ (uint8_t)change;
            deallocate(read_both(buffer_slice(&container), buffer_slice(&pod)));
        }
        container.data[at] = byte;
    }
    buffer_done(&container);
    buffer_done(&pod);
}

static void labels_are_bounded(void **state)
{
    struct buffer container;
    struct facts *facts;

    (void)state;
    make_container(&container, 500);
    facts = read_both(buffer_slice(&container), (struct slice){NULL, 0});
    assert_non_null(facts);
    assert_int_equal(facts->lists[FACTS_LABELS].count, FACTS_ITEMS_MAXIMUM);
    assert_text(facts->texts[FACTS_POD_NAME], "shop-1");
    deallocate(facts);
    buffer_done(&container);
}

static void the_sandbox_is_found(void **state)
{
    struct buffer part, answer;

    (void)state;
    buffer_init(&answer, 1024);
    for (int i = 0; i < 3; i++) {
        buffer_init(&part, 1024);
        put_text(&part, 1, i == 1 ? "wanted" : "other");
        put_text(&part, 2, i == 1 ? "sandbox" : "none");
        put(&answer, 1, buffer_slice(&part));
        buffer_done(&part);
    }
    assert_text(cri_read_sandbox(buffer_slice(&answer), SLICE_LITERAL("wanted")), "sandbox");
    assert_int_equal(cri_read_sandbox(buffer_slice(&answer), SLICE_LITERAL("want")).length, 0);
    assert_int_equal(cri_read_sandbox((struct slice){NULL, 0}, SLICE_LITERAL("x")).length, 0);
    buffer_done(&answer);
}

static void nobody_answers(void **state)
{
    struct facts *facts = NULL;
    struct cri *cri = NULL;

    (void)state;
    assert_int_equal(cri_new(&cri), 0);
    assert_int_equal(cri_inspect(cri, "/nowhere/at/all", SLICE_LITERAL("0123"), &wishes, &facts),
                     -ECONNREFUSED);
    assert_int_equal(cri_inspect(cri, "/nowhere/at/all", (struct slice){NULL, 0}, &wishes, &facts),
                     -ENOENT);
    cri_free(&cri);
}

static void memory_may_run_out(void **state)
{
    struct buffer container, pod;
    bool has_failed = true;

    (void)state;
    make_container(&container, 0);
    make_pod(&pod);
    for (uint64_t at = 1; has_failed; at++) {
        allocate_fail_at(at);
        deallocate(read_both(buffer_slice(&container), buffer_slice(&pod)));
        has_failed = allocate_has_failed();
        allocate_fail_at(0);
    }
    buffer_done(&container);
    buffer_done(&pod);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_read),   cmocka_unit_test(damage_is_survived),
        cmocka_unit_test(labels_are_bounded), cmocka_unit_test(the_sandbox_is_found),
        cmocka_unit_test(nobody_answers),     cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
