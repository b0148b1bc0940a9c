/* names, reverse: what addresses are called by answers of DNS, and by reverse DNS. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/allocate.h"
#include "metadata/names.h"
#include "metadata/reverse.h"

enum { RECORD_BYTES = 65536, PATIENCE_STEPS = 20000, SECOND = 1000000000 };

struct line {
    const char *name, *type, *data;
    uint64_t ttl;
};

static struct address address_of(const char *text)
{
    struct address address = {.family = ADDRESS_NONE};

    assert_int_equal(address_parse(slice_of_string(text), &address), 0);
    return address;
}

static struct member text_member(const char *name, const char *text)
{
    return (struct member){.name = name, .text = slice_of_string(text)};
}

/* An answer that process `pid` received. */
static void learn_as(struct names *names, const char *role, uint32_t pid, const char *code,
                     const char *question, const struct line *lines, size_t count, uint64_t now_ns)
{
    struct record *record = record_new(RECORD_BYTES);
    struct member members[8][4];
    struct object objects[8];

    assert_non_null(record);
    assert_true(count <= 8);
    for (size_t i = 0; i < count; i++) {
        members[i][0] = text_member("name", lines[i].name);
        members[i][1] = text_member("type", lines[i].type);
        members[i][2] = (struct member){.name = "ttl", .number = lines[i].ttl, .is_number = true};
        members[i][3] = text_member("data", lines[i].data);
        objects[i] = (struct object){members[i], 4};
    }
    if (strcmp(role, "unasked") == 0) {
        record_set_flag(record, RECORD_FLAG_UNPAIRED);
        role = "client";
    }
    record_add_text(record, FIELD_TYPE, SLICE_LITERAL("dns"));
    record_add_text(record, FIELD_ROLE, slice_of_string(role));
    record_add_number(record, strcmp(role, "client") ? FIELD_PEER_PROCESS_PID : FIELD_PROCESS_PID,
                      pid);
    record_add_text(record, FIELD_DNS_QUESTION_NAME, slice_of_string(question));
    record_add_text(record, FIELD_DNS_RESPONSE_CODE, slice_of_string(code));
    record_add_objects(record, FIELD_DNS_ANSWERS, objects, (uint32_t)count);
    names_learn(names, record, now_ns);
    record_unref(&record);
}

static void learn(struct names *names, uint32_t pid, const char *question, const char *address,
                  uint64_t now_ns)
{
    struct line line = {question, strchr(address, ':') ? "AAAA" : "A", address, 300};

    learn_as(names, "client", pid, "NOERROR", question, &line, 1, now_ns);
}

static void assert_name(struct names *names, const char *address, uint32_t pid, uint64_t now_ns,
                        const char *expected)
{
    struct address parsed = address_of(address);
    struct slice name = names_find(names, &parsed, pid, now_ns);

    if (!slice_is_equal(name, slice_of_string(expected)))
        fail_msg("%s is '%.*s', not '%s'", address, (int)name.length, (const char *)name.data,
                 expected);
}

static void aliases_lead_to_the_name_that_was_asked_for(void **state)
{
    static const struct line lines[] = {{"edge.cdn.net", "A", "192.0.2.1", 30},
                                        {"www.shop.test", "CNAME", "shop.cdn.net", 30},
                                        {"shop.cdn.net", "CNAME", "EDGE.cdn.net", 30},
                                        {"edge.cdn.net", "AAAA", "2001:db8::1", 30},
                                        {"elsewhere.test", "A", "192.0.2.66", 30},
                                        {"edge.cdn.net", "A", "nonsense", 30},
                                        {"edge.cdn.net", "TXT", "192.0.2.77", 30}};
    struct names *names;

    (void)state;
    assert_int_equal(names_new(&names), 0);
    learn_as(names, "client", 7, "NOERROR", "www.shop.test", lines, 7, SECOND);
    assert_name(names, "192.0.2.1", 7, SECOND, "www.shop.test");
    assert_name(names, "2001:db8::1", 0, SECOND, "www.shop.test");
    assert_name(names, "192.0.2.66", 7, SECOND, "");
    assert_name(names, "192.0.2.77", 7, SECOND, "");
    assert_int_equal(names_count(names), 2);
    names_free(&names);
}

static void only_answers_to_this_host_teach(void **state)
{
    static const struct line line = {"a.test", "A", "192.0.2.1", 300};
    struct names *names;

    (void)state;
    assert_int_equal(names_new(&names), 0);
    learn_as(names, "server", 0, "NOERROR", "a.test", &line, 1, SECOND); /* asked from elsewhere */
    learn_as(names, "client", 7, "NXDOMAIN", "a.test", &line, 1, SECOND);
    assert_name(names, "192.0.2.1", 7, SECOND, "");
    learn_as(names, "unasked", 7, "NOERROR", "a.test", &line, 1, SECOND);
    assert_name(names, "192.0.2.1", 7, SECOND, "");
    learn_as(names, "observer", 0, "NOERROR", "o.test",
             &(struct line){"o.test", "A", "192.0.2.3", 1}, 1, SECOND);
    assert_name(names, "192.0.2.3", 7, SECOND, "o.test");
    learn_as(names, "server", 7, "NOERROR", "a.test", &line, 1, SECOND); /* of this host's server */
    assert_name(names, "192.0.2.1", 7, SECOND, "a.test");
    names_free(&names);
}

static void who_asked_counts_and_doubt_is_silent(void **state)
{
    struct names *names;

    (void)state;
    assert_int_equal(names_new(&names), 0);
    learn(names, 1, "a.test", "192.0.2.1", 1);
    assert_name(names, "192.0.2.1", 9, 2, "a.test");
    learn(names, 2, "b.test", "192.0.2.1", 3);
    assert_name(names, "192.0.2.1", 1, 4, "a.test");
    assert_name(names, "192.0.2.1", 2, 4, "b.test");
    assert_name(names, "192.0.2.1", 9, 4, "");
    learn(names, 1, "c.test", "192.0.2.1", 5); /* its last question counts */
    assert_name(names, "192.0.2.1", 1, 6, "c.test");
    for (uint32_t pid = 10; pid < 20; pid++)
        learn(names, pid, "many.test", "192.0.2.1", pid);
    assert_name(names, "192.0.2.1", 19, 30, "many.test");
    assert_name(names, "192.0.2.1", 1, 30, "many.test"); /* its own are forgotten */
    names_free(&names);
}

static void answers_grow_old(void **state)
{
    static const struct line lines[] = {{"s.test", "A", "192.0.2.1", 1},
                                        {"s.test", "A", "192.0.2.2", 4000000000u}};
    struct names *names;

    (void)state;
    assert_int_equal(names_new(&names), 0);
    learn_as(names, "client", 7, "NOERROR", "s.test", lines, 2, 0);
    assert_name(names, "192.0.2.1", 7, NAMES_SHORTEST_NS - 1, "s.test");
    assert_name(names, "192.0.2.1", 7, NAMES_SHORTEST_NS, "");
    assert_name(names, "192.0.2.2", 7, NAMES_LONGEST_NS - 1, "s.test");
    assert_name(names, "192.0.2.2", 7, NAMES_LONGEST_NS, "");
    names_free(&names);
}

static void memory_is_bounded(void **state)
{
    enum { COUNT = 3 * NAMES_ADDRESSES_MAXIMUM };
    struct names *names;
    char address[32];

    (void)state;
    assert_int_equal(names_new(&names), 0);
    learn(names, 1, "kept.test", "192.0.2.1", 1);
    for (int i = 0; i < COUNT; i++) {
        snprintf(address, sizeof(address), "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
        learn(names, 1, "x.test", address, 2);
        if (i % 1000 == 0) /* what is used is not forgotten */
            assert_name(names, "192.0.2.1", 1, 3, "kept.test");
    }
    assert_int_equal(names_count(names), NAMES_ADDRESSES_MAXIMUM);
    assert_name(names, "192.0.2.1", 1, 3, "kept.test");
    assert_name(names, "10.0.0.1", 1, 3, "");
    names_free(&names);
}

static void memory_may_run_out(void **state)
{
    bool has_failed = true;

    (void)state;
    for (uint64_t at = 1; has_failed; at++) {
        struct names *names = NULL;

        allocate_fail_at(at);
        if (names_new(&names) == 0) {
            struct address address = address_of("192.0.2.1");
            struct record *record = record_new(RECORD_BYTES);

            if (record) {
                struct member members[] = {text_member("name", "a.test"), text_member("type", "A"),
                                           text_member("data", "192.0.2.1")};
                struct object object = {members, 3};

                record_add_text(record, FIELD_TYPE, SLICE_LITERAL("dns"));
                record_add_text(record, FIELD_ROLE, SLICE_LITERAL("client"));
                record_add_number(record, FIELD_PROCESS_PID, 1);
                record_add_text(record, FIELD_DNS_QUESTION_NAME, SLICE_LITERAL("a.test"));
                record_add_text(record, FIELD_DNS_RESPONSE_CODE, SLICE_LITERAL("NOERROR"));
                record_add_objects(record, FIELD_DNS_ANSWERS, &object, 1);
                names_learn(names, record, 1);
                record_unref(&record);
            }
            names_find(names, &address, 1, 1);
            names_free(&names);
        }
        has_failed = allocate_has_failed();
        allocate_fail_at(0);
        record_pool_done();
    }
}

/* --- reverse ---------------------------------------------------------------------------------- */

struct resolver {
    pthread_mutex_t lock;
    unsigned asked;
};

static int resolve(void *context, const struct address *address, char name[REVERSE_BYTES])
{
    struct resolver *resolver = context;

    pthread_mutex_lock(&resolver->lock);
    resolver->asked++;
    pthread_mutex_unlock(&resolver->lock);
    if (address->bytes[3] == 9)
        return -1;
    snprintf(name, REVERSE_BYTES, "host-%d.test", address->bytes[3]);
    return 0;
}

static unsigned asked(struct resolver *resolver)
{
    unsigned count;

    pthread_mutex_lock(&resolver->lock);
    count = resolver->asked;
    pthread_mutex_unlock(&resolver->lock);
    return count;
}

static void await(struct resolver *resolver, unsigned count)
{
    for (int step = 0; asked(resolver) < count; step++) {
        assert_true(step < PATIENCE_STEPS);
        usleep(1000);
    }
}

static void reverse_names_come_later(void **state)
{
    static struct resolver resolver = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct reverse_options options = {resolve, &resolver};
    struct address one = address_of("192.0.2.1"), nine = address_of("192.0.2.9");
    struct reverse *reverse;
    char name[REVERSE_BYTES];
    size_t length = 0;

    (void)state;
    assert_int_equal(reverse_new(&options, &reverse), 0);
    assert_int_equal(reverse_find(reverse, &one, SECOND, name), 0);
    for (int step = 0; !length; step++) {
        assert_true(step < PATIENCE_STEPS);
        length = reverse_find(reverse, &one, SECOND, name);
        usleep(1000);
    }
    assert_int_equal(length, strlen("host-1.test"));
    assert_memory_equal(name, "host-1.test", length);
    assert_int_equal(asked(&resolver), 1);
    /* Who has no name is not asked for at once again; a name grows old. */
    assert_int_equal(reverse_find(reverse, &nine, SECOND, name), 0);
    await(&resolver, 2);
    reverse_find(reverse, &one, SECOND + REVERSE_KNOWN_NS, name);
    await(&resolver, 3); /* so the answer before is in its place */
    assert_int_equal(reverse_find(reverse, &nine, SECOND + 1, name), 0);
    reverse_find(reverse, &nine, SECOND + REVERSE_KNOWN_NS + REVERSE_UNKNOWN_NS, name);
    await(&resolver, 4);
    assert_int_equal(asked(&resolver), 4);
    reverse_free(&reverse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aliases_lead_to_the_name_that_was_asked_for),
        cmocka_unit_test(only_answers_to_this_host_teach),
        cmocka_unit_test(who_asked_counts_and_doubt_is_silent),
        cmocka_unit_test(answers_grow_old),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(memory_may_run_out),
        cmocka_unit_test(reverse_names_come_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
