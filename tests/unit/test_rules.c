/*
 * test_rules: which rule decides, what sampling keeps, what header rules show, and what can be said
 * of a process alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "model/query_decide.h"
#include "refine/rules.h"

#define SECOND 1000000000ull

static struct block_list records, headers;
static struct rules *rules;
static char message[OPTION_MESSAGE_BYTES];

static int make_with_key(struct slice key)
{
    struct rules_options options = {.rules = &records, .header_rules = &headers, .key = key};

    rules_free(&rules);
    return rules_new(&options, &rules, message);
}

static int make(const char *rule, const char *other)
{
    memset(&records, 0, sizeof(records));
    if (rule)
        assert_int_equal(blocks_parse(&records, rule), 0);
    if (other)
        assert_int_equal(blocks_parse(&records, other), 0);
    return make_with_key((struct slice){0});
}

static int set_up(void **state)
{
    (void)state;
    memset(&records, 0, sizeof(records));
    memset(&headers, 0, sizeof(headers));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rules_free(&rules);
    record_pool_done();
    return 0;
}

static struct record *make_record(const char *path, uint64_t status, uint64_t time_ns)
{
    struct record *record = record_new(65536);

    assert_non_null(record);
    record->time_ns = time_ns;
    record_add_text(record, FIELD_TYPE, SLICE_LITERAL("http"));
    record_add_number(record, FIELD_ID, record_next_id(time_ns));
    record_add_number(record, FIELD_SERVER_PORT, 80);
    record_add_text(record, FIELD_URL_PATH, slice_of_string(path));
    record_add_number(record, FIELD_HTTP_RESPONSE_STATUS_CODE, status);
    return record;
}

static enum rules_verdict take(struct record *record)
{
    enum rules_verdict verdict = rules_take(rules, record);

    if (verdict != RULES_HELD)
        record_unref(&record);
    return verdict;
}

static void test_the_first_rule_that_matches_decides(void **state)
{
    struct rule_counters counters;

    (void)state;
    assert_int_equal(make("heads match='http.response.status_code >= 500'",
                          "off name=health match='url.path == \"/health\"'"),
                     0);
    assert_int_equal(take(make_record("/health", 200, 1)), RULES_OFF);
    assert_int_equal(take(make_record("/health", 503, 1)), RULES_LOG);
    assert_int_equal(take(make_record("/other", 200, 1)), RULES_LOG);
    assert_true(rules_counters(rules, 0, &counters));
    assert_int_equal(counters.matched, 1);
    assert_int_equal(counters.logged, 1);
    assert_true(rules_counters(rules, 1, &counters));
    assert_string_equal(counters.name, "health");
    assert_int_equal(counters.off, 1);
    assert_false(rules_counters(rules, 2, &counters));
    assert_int_equal(rules_filtered(rules), 1);
}

static void test_wrong_rules_are_told(void **state)
{
    static const struct {
        const char *rule, *told;
    } wrong[] = {
        {"loud", "say heads, summary or off"},
        {"heads match='url.path ='", "match: column "},
        {"heads sample=101%", "sample: '101%' is no share"},
        {"heads sample=1/0", "sample: '1/0' is no share"},
        {"heads sample=nan", "sample: 'nan' is no share"},
        {"heads sample=10% keep='status > 1'", "keep: column 1"},
        {"heads smple=10%", "did you mean 'sample'?"},
        {"heads slow=fast", "slow: "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        records.name = "rule";
        assert_int_equal(make(wrong[i].rule, NULL), -EINVAL);
        if (!strstr(message, wrong[i].told))
            fail_msg("%s: %s", wrong[i].rule, message);
    }
}

static void test_a_share_is_kept_and_every_error(void **state)
{
    size_t kept = 0;

    (void)state;
    assert_int_equal(make("heads sample=10% slow=1s", NULL), 0);
    for (int i = 0; i < 10000; i++)
        kept += take(make_record("/", 200, (uint64_t)i * 1000)) == RULES_LOG;
    assert_in_range(kept, 850, 1150);
    assert_int_equal(rules_filtered(rules), 10000 - kept);
    for (int i = 0; i < 100; i++) {
        struct record *slow = make_record("/", 200, 5), *broken = make_record("/", 0, 6);

        record_add_number(slow, FIELD_DURATION_NS, SECOND);
        record_set_flag(broken, RECORD_FLAG_UNPAIRED);
        assert_int_equal(take(slow), RULES_LOG);
        assert_int_equal(take(broken), RULES_LOG);
        assert_int_equal(take(make_record("/", 500, 7)), RULES_LOG);
    }
}

static void test_a_trace_is_kept_or_not_as_a_whole(void **state)
{
    (void)state;
    assert_int_equal(make("heads sample=1/2", NULL), 0);
    for (int trace = 0; trace < 64; trace++) {
        enum rules_verdict first = RULES_LOG;
        char id[33];

        snprintf(id, sizeof(id), "%032x", trace * 7919);
        for (int hop = 0; hop < 4; hop++) {
            struct record *record = make_record("/", 200, (uint64_t)(trace + hop));
            enum rules_verdict verdict;

            record_add_text(record, FIELD_TRACE_ID, slice_of_string(id));
            verdict = take(record);
            if (hop == 0)
                first = verdict;
            assert_int_equal(verdict, first);
        }
    }
}

/* Of 1000 records of a second 10 come out, later, in order; early and late ones alike over time. */
static void test_a_reservoir_is_fair(void **state)
{
    uint64_t late = 0, total = 0, last;
    struct record *record;

    (void)state;
    assert_int_equal(make("heads sample-per-second=10", NULL), 0);
    for (uint64_t second = 1; second <= 100; second++) {
        for (uint64_t i = 0; i < 1000; i++)
            take(make_record("/", 200, second * SECOND + i * 1000000));
        rules_close(rules, second * SECOND + SECOND / 2);
        if (second == 1)
            assert_null(rules_next(rules)); /* not over yet */
        rules_close(rules, (second + 2) * SECOND);
        last = 0;
        for (size_t i = 0; (record = rules_next(rules)); i++) {
            assert_true(i < 10 && record->time_ns >= last);
            last = record->time_ns;
            late += last % SECOND >= SECOND / 2;
            total++;
            record_unref(&record);
        }
    }
    assert_int_equal(total, 1000);
    assert_in_range(late, 400, 600);
    assert_int_equal(rules_held(rules), 0);
    assert_int_equal(rules_filtered(rules), 99000);
}

/* The clock is set back by an hour: what is held comes out, and the limit is that of new seconds.
 */
static void test_a_clock_that_is_set_back(void **state)
{
    uint64_t hour = 3600 * SECOND, total = 0;
    struct record *record;

    (void)state;
    assert_int_equal(make("heads sample-per-second=10", NULL), 0);
    for (uint64_t i = 0; i < 100; i++)
        take(make_record("/", 200, 2 * hour + i));
    rules_close(rules, hour);
    for (; (record = rules_next(rules)); total++)
        record_unref(&record);
    assert_int_equal(rules_held(rules), 0);
    for (uint64_t second = 0; second < 5; second++)
        for (uint64_t i = 0; i < 100; i++)
            take(make_record("/", 200, hour + second * SECOND + i));
    rules_close(rules, UINT64_MAX);
    for (; (record = rules_next(rules)); total++)
        record_unref(&record);
    assert_int_equal(total, 60);
}

static void test_held_records_are_freed_and_counts_go_on(void **state)
{
    struct rules *old;
    struct rule_counters counters;

    (void)state;
    assert_int_equal(make("heads name=a sample-per-second=2", NULL), 0);
    for (int i = 0; i < 5; i++)
        take(make_record("/", 200, SECOND));
    assert_int_equal(rules_held(rules), 2);
    assert_int_equal(rules_filtered(rules), 3);
    old = rules;
    rules = NULL;
    assert_int_equal(make("off name=b", NULL), 0);
    rules_inherit(rules, old);
    rules_free(&old);
    assert_int_equal(rules_filtered(rules), 3);
    assert_true(rules_counters(rules, 1, &counters));
    assert_string_equal(counters.name, "earlier rules");
}

static struct value *add_headers(struct record *record)
{
    static struct header all[4];

    all[0] = (struct header){SLICE_LITERAL("Host"), SLICE_LITERAL("api.local")};
    all[1] = (struct header){SLICE_LITERAL("X-Internal-Id"), SLICE_LITERAL("0123456789")};
    all[2] = (struct header){SLICE_LITERAL("User-Agent"), SLICE_LITERAL("curl/8")};
    all[3] = (struct header){SLICE_LITERAL("Cookie"), SLICE_LITERAL("a=***")};
    record_add_headers(record, FIELD_HTTP_REQUEST_HEADERS, all, 4);
    record_add_text(record, FIELD_USER_AGENT_ORIGINAL, SLICE_LITERAL("curl/8"));
    record_set_flag(record, RECORD_FLAG_MASKED);
    return record_find(record, FIELD_HTTP_REQUEST_HEADERS);
}

static bool is_text(struct slice text, const char *wanted)
{
    return slice_is_equal(text, slice_of_string(wanted));
}

static void test_header_rules(void **state)
{
    struct record *record = make_record("/api/x", 200, 1);
    struct value *value = add_headers(record);
    const struct header *before = value->headers;

    (void)state;
    assert_int_equal(blocks_parse(&headers, "include names=host"), 0);
    assert_int_equal(blocks_parse(&headers, "drop names=x-*nal-?d match='url.path =~ \"^/api\"'"),
                     0);
    assert_int_equal(blocks_parse(&headers, "drop names=* in=response"), 0);
    assert_int_equal(blocks_parse(&headers, "hash names=user-agent"), 0);
    assert_int_equal(blocks_parse(&headers, "length names=*"), 0);
    assert_int_equal(make_with_key(SLICE_LITERAL("0123456789abcdef")), 0);
    assert_int_equal(rules_take(rules, record), RULES_LOG);
    value = record_find(record, FIELD_HTTP_REQUEST_HEADERS);
    assert_int_equal(value->count, 3);
    assert_true(value->headers != before && before[1].name.length == 13); /* others share it */
    assert_true(is_text(value->headers[0].value, "api.local"));
    assert_true(is_text(slice_part(value->headers[1].value, 0, 5), "hmac:"));
    assert_true(is_text(value->headers[2].value, "a=***")); /* how long it is, masking has hidden */
    assert_true(slice_is_equal(record_find(record, FIELD_USER_AGENT_ORIGINAL)->text,
                               value->headers[1].value));
    record_unref(&record);
    assert_int_equal(make_with_key((struct slice){0}), -EINVAL);
    assert_non_null(strstr(message, "hash needs a key"));
}

static void test_a_summary_has_no_lists(void **state)
{
    struct record *record = make_record("/", 200, 1);

    (void)state;
    add_headers(record);
    assert_int_equal(make("summary", NULL), 0);
    assert_int_equal(rules_take(rules, record), RULES_LOG);
    assert_null(record_find(record, FIELD_HTTP_REQUEST_HEADERS));
    assert_non_null(record_find(record, FIELD_URL_PATH));
    record_unref(&record);
}

static enum query_decision decide(const char *text, const struct record *known)
{
    struct query *query = NULL;
    struct query_error error;
    enum query_decision decision;

    assert_int_equal(query_compile(slice_of_string(text), &query, &error), 0);
    decision = query_decide(query, known);
    query_free(&query);
    return decision;
}

static void test_what_is_known_of_a_process_may_decide(void **state)
{
    struct record *known = record_new(4096);

    (void)state;
    record_add_text(known, FIELD_PROCESS_COMMAND, SLICE_LITERAL("curl"));
    record_add_text(known, FIELD_PROCESS_OWNER, SLICE_LITERAL("root"));
    assert_int_equal(decide("process.command == curl", known), QUERY_TRUE);
    assert_int_equal(decide("process.command =~ \"^ngi\"", known), QUERY_FALSE);
    assert_int_equal(decide("process.command == curl and server.port == 80", known), QUERY_UNKNOWN);
    assert_int_equal(decide("process.command == nginx and server.port == 80", known), QUERY_FALSE);
    assert_int_equal(
        decide("server.port == 80 or process.owner == root or server.port == 81", known),
        QUERY_TRUE);
    assert_int_equal(decide("not container.id exists", known), QUERY_UNKNOWN);
    assert_int_equal(decide("not process.owner == root", known), QUERY_FALSE);
    assert_int_equal(make("off match='server.port == 9 or process.command == curl'", "heads"), 0);
    assert_true(rules_refuse(rules, NULL, known));
    assert_int_equal(make("heads match='server.port == 9'", "off"), 0);
    assert_false(rules_refuse(rules, NULL, known));
    assert_int_equal(make("off match='server.port == 9'", "off match='process.owner == root'"), 0);
    assert_true(rules_refuse(rules, NULL, known));
    record_unref(&known);
}

static void test_the_kernel_is_told_what_the_first_rules_refuse(void **state)
{
    struct prefilter never;

    (void)state;
    memset(&never, 0, sizeof(never));
    assert_int_equal(make("off match='server.port in (9100, 9101) or url.path == \"/x\" or "
                          "client.address == 10.0.0.0/8'",
                          "off match='server.port == 80 and client.port == 1'"),
                     0);
    rules_exclusions(rules, &never);
    assert_int_equal(never.server_port_count, 2);
    assert_int_equal(never.client_network_count, 1);
    assert_int_equal(never.client_port_count, 0);
    memset(&never, 0, sizeof(never));
    assert_int_equal(make("heads match='url.path == \"/x\"'", "off match='server.port == 80'"), 0);
    rules_exclusions(rules, &never);
    assert_int_equal(never.server_port_count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_first_rule_that_matches_decides),
        TEST(test_wrong_rules_are_told),
        TEST(test_a_share_is_kept_and_every_error),
        TEST(test_a_trace_is_kept_or_not_as_a_whole),
        TEST(test_a_reservoir_is_fair),
        TEST(test_a_clock_that_is_set_back),
        TEST(test_held_records_are_freed_and_counts_go_on),
        TEST(test_header_rules),
        TEST(test_a_summary_has_no_lists),
        TEST(test_what_is_known_of_a_process_may_decide),
        TEST(test_the_kernel_is_told_what_the_first_rules_refuse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
