/*
 * test_naming: names that were looked up for a connection's record are its next records' too, until
 * a source knows something else or time has passed; and the line is the same as of a record whose
 * names were looked up.
 */
#include "tests/lib/stream_events.h"
#include "base/allocate.h"
#include "encode/encoder.h"
#include "metadata/container_fields.h"
#include "metadata/naming.h"
#include "refine/mask.h"

enum { EXCHANGES = 8 };

static const char get_a[] = "GET /a HTTP/1.1\r\nHost: h.example\r\n\r\n";
static const char no_content[] = "HTTP/1.1 204 No Content\r\nServer: s\r\n\r\n";
static const struct slice labels[] = {SLICE_LITERAL("app=\"shop\""), SLICE_LITERAL("tier=\xff")};

/* What the source says now; how often it was asked, and when it is asked. */
static struct slice container_name;
static bool has_names;
static unsigned looks;
static uint64_t now_ns;

static void look_up(struct record *record)
{
    looks++;
    if (!has_names)
        return;
    container_fields_text(record, FIELD_CONTAINER_NAME, container_name);
    container_fields_list(record, FIELD_CONTAINER_LABELS, labels, 2);
    container_fields_text(record, FIELD_DESTINATION_DOMAIN, SLICE_LITERAL("db.example"));
}

/* As agent/enrichment does. */
static void name(struct record *record)
{
    uint64_t version = naming_version();
    uint32_t first = record->value_count;

    if (naming_recall(record, version, now_ns))
        return;
    look_up(record);
    naming_keep(record, first, version, now_ns);
}

static void identify(void *context, const struct process_identity *identity,
                     struct process_details *ret_details)
{
    (void)context, (void)identity;
    *ret_details =
        (struct process_details){.executable_path = SLICE_LITERAL("/usr/bin/prog"), .version = 1};
}

static void exchange(uint64_t number)
{
    head_event(1, DIRECTION_B_TO_A, number * (sizeof(get_a) - 1), get_a, 0, number);
    head_event(1, DIRECTION_A_TO_B, number * (sizeof(no_content) - 1), no_content, 0, number);
}

static void begin(void)
{
    struct streams_options options = {.source = "socket", .identify = identify};

    container_name = SLICE_LITERAL("front");
    has_names = true;
    looks = 0;
    now_ns = 1;
    start(&options);
    open_end(1, false);
}

static bool has_common_names(const struct record *record)
{
    return record->commons[COMMON_OF_NAMES].common && record_has_common(record, COMMON_OF_NAMES);
}

/* Where values of the connection, of both heads and of the names are shared. */
static void attributes_are_told_once(void **state)
{
    struct mask_options options = {0};
    void *mask = NULL;
    bool has_all = false;

    (void)state;
    begin();
    assert_int_equal(mask_new(&options, &mask), 0);
    for (size_t i = 0; i < EXCHANGES; i++) {
        struct record *record;
        bool is_shared = true;

        exchange(i);
        record = feeder.records[i];
        name(record);
        stage_mask.refine(mask, record);
        expect_same_attributes(record);
        for (unsigned j = 0; j < COMMON_VALUES_OF_RECORD; j++)
            is_shared &= record->commons[j].common && record_has_common(record, j);
        has_all |= is_shared;
    }
    assert_true(has_all);
    mask_free(&mask);
    stop();
}

/* Two records make the connection's values known, two looks its names. */
static void names_are_looked_up_twice(void **state)
{
    (void)state;
    begin();
    for (size_t i = 0; i < EXCHANGES; i++) {
        exchange(i);
        name(feeder.records[i]);
        assert_int_equal(looks, i < 4 ? i + 1 : 4);
        assert_int_equal(has_common_names(feeder.records[i]), i >= 4);
    }
    for (size_t i = 0; i < EXCHANGES; i++) {
        char *line = line_of(feeder.records[i]);

        expect(i, "container.name", "front");
        expect(i, "destination.domain", "db.example");
        assert_non_null(strstr(line, "\"app=\\\"shop\\\"\""));
        assert_non_null(strstr(line, "\"binary\""));
        free(line);
        expect_alike(feeder.records[i]);
    }
    stop();
}

static void what_is_learned_is_told_at_once(void **state)
{
    (void)state;
    begin();
    for (size_t i = 0; i < EXCHANGES; i++) {
        if (i == 5) {
            container_name = SLICE_LITERAL("back");
            naming_changed();
        }
        exchange(i);
        name(feeder.records[i]);
        expect(i, "container.name", i < 5 ? "front" : "back");
        expect_alike(feeder.records[i]);
    }
    assert_int_equal(looks, 6);
    stop();
}

static void time_ends_it(void **state)
{
    (void)state;
    begin();
    for (size_t i = 0; i < EXCHANGES; i++) {
        if (i == 5) {
            container_name = SLICE_LITERAL("back");
            now_ns += NAMING_KEPT_NS - 1;
        }
        if (i == 6)
            now_ns++;
        exchange(i);
        name(feeder.records[i]);
        expect(i, "container.name", i < 6 ? "front" : "back");
    }
    stop();
}

static void nothing_is_a_name_too(void **state)
{
    (void)state;
    begin();
    has_names = false;
    for (size_t i = 0; i < EXCHANGES; i++) {
        exchange(i);
        name(feeder.records[i]);
        assert_false(has_common_names(feeder.records[i]));
        expect(i, "container.name", NULL);
        expect_alike(feeder.records[i]);
    }
    assert_int_equal(looks, 4);
    stop();
}

/* A stage changes a name, takes one away, adds one twice; masking passes them over. */
static void changed_names_are_written_as_they_are(void **state)
{
    struct mask_options options = {0};

    (void)state;
    for (int change = 0; change < 4; change++) {
        struct record *record;
        void *mask = NULL;
        char *line;

        begin();
        assert_int_equal(mask_new(&options, &mask), 0);
        for (size_t i = 0; i < 6; i++) {
            exchange(i);
            name(feeder.records[i]);
            stage_mask.refine(mask, feeder.records[i]);
            free(line_of(feeder.records[i]));
        }
        record = feeder.records[5];
        assert_true(has_common_names(record));
        if (change == 0)
            record_find(record, FIELD_CONTAINER_NAME)->text = SLICE_LITERAL("other");
        else if (change == 1)
            record->value_count--;
        else if (change == 2)
            record_add_text(record, FIELD_CONTAINER_NAME, SLICE_LITERAL("other"));
        line = line_of(record);
        assert_int_equal(strstr(line, "\"container.name\":\"front\",") != NULL, change != 0);
        assert_int_equal(strstr(line, "\"db.example\"") != NULL, change != 1);
        free(line);
        expect_alike(record);
        mask_free(&mask);
        stop();
    }
}

/* A record that has nothing in common with others is looked up each time. */
static void records_alone_are_looked_up(void **state)
{
    struct record *record = record_new(1 << 16);

    (void)state;
    looks = 0;
    has_names = true;
    container_name = SLICE_LITERAL("front");
    for (unsigned i = 0; i < 3; i++) {
        name(record);
        assert_int_equal(looks, i + 1);
    }
    assert_int_equal(record->value_count, 3);
    record_unref(&record);
}

/* Each allocation fails in turn: names may be missing, and are never halved. */
static void memory_may_run_out(void **state)
{
    bool has_failed = true;

    (void)state;
    for (uint64_t n = 1; has_failed; n++) {
        begin();
        for (size_t i = 0; i < 3; i++)
            exchange(i);
        name(feeder.records[2]);
        for (size_t i = 3; i < EXCHANGES; i++)
            exchange(i);
        allocate_fail_at(n);
        for (size_t i = 3; i < EXCHANGES; i++)
            name(feeder.records[i]);
        has_failed = allocate_has_failed();
        allocate_fail_at(0);
        for (size_t i = 3; i < EXCHANGES; i++) {
            expect(i, "container.name", "front");
            expect(i, "destination.domain", "db.example");
            expect_alike(feeder.records[i]);
        }
        stop();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributes_are_told_once),
        cmocka_unit_test(names_are_looked_up_twice),
        cmocka_unit_test(what_is_learned_is_told_at_once),
        cmocka_unit_test(time_ends_it),
        cmocka_unit_test(nothing_is_a_name_too),
        cmocka_unit_test(changed_names_are_written_as_they_are),
        cmocka_unit_test(records_alone_are_looked_up),
        cmocka_unit_test(memory_may_run_out),
    };

    return cmocka_run_group_tests(tests, NULL, feeder_finish);
}
