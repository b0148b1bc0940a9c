/* kafka: what requests and responses of old and flexible versions tell; lies about sizes and
 * counts. */
#include "tests/lib/conversations_db.h"
#include "tests/lib/talk.h"

static void requests_and_responses_pair_by_id(void **state)
{
    (void)state;
    play(conversation_kafka_plain);
    talk_expect_count(13);
    expect(0, "messaging.operation.name", "ApiVersions");
    expect(0, "messaging.client.id", "app");
    expect(0, "kafka.api_version", "3");
    expect(0, "error.code", NULL);
    expect(1, "error.code", "35");
    expect(1, "error.message", "UNSUPPORTED_VERSION");
    expect(2, "error.code", "5");
    expect(2, "messaging.destination.name", NULL);
    expect(3, "messaging.destination.name", "old");
    expect(3, "error.message", "UNKNOWN_TOPIC_OR_PARTITION");
    /* Produce without acknowledgement is done at once; the one before waits. */
    expect(4, "kafka.acks", "0");
    expect(4, "kafka.response.size", NULL);
    expect(5, "kafka.acks", "all");
    expect(5, "messaging.destination.name", "one");
    expect(5, "error.code", "19");
    expect(5, "error.message", "not enough");
    expect(6, "messaging.operation.name", "Fetch");
    expect(6, "messaging.destination.name", "AAECAwQFBgcICQoLDA0ODw");
    expect(7, "messaging.consumer.group.name", "grp");
    expect(8, "messaging.consumer.group.name", "grp");
    expect(8, "error.code", "15");
    expect(9, "error.message", "MEMBER_ID_REQUIRED");
    expect(10, "messaging.operation.name", "SaslHandshake");
    expect(11, "error.code", "58");
    for (size_t i = 0; i < 12; i++)
        expect_flags(i, 0);
    expect_flags(12, BIT(UNPAIRED) | BIT(INCOMPLETE));
    struct value *topics = record_find(feeder.records[2], FIELD_KAFKA_TOPICS);
    assert_non_null(topics);
    assert_int_equal(topics->count, 2);
    assert_true(slice_is_equal(topics->texts[1], SLICE_LITERAL("two")));
    char *all = feeder_describe(&feeder);
    assert_null(strstr(all, "SECR"));
    free(all);
    talk_done();
}

#define METADATA "\0\0\0\x11\0\3\0\1\0\0\0\7\0\3app\0\0\0\0"

/* A body to its last byte; ZooKeeper's first message is none, though its head could be one. */
static void clients_need_no_name(void **state)
{
    static const struct {
        struct slice bytes;
        bool is_kafka;
    } cases[] = {
        {SLICE_LITERAL("\0\0\0\x13\0\3\0\0\0\0\0\7\0\0\0\0\0\1\0\3one"), true},
        {SLICE_LITERAL("\0\0\0\x13\0\3\0\0\0\0\0\7\xff\xff\0\0\0\1\0\3one"), true},
        {SLICE_LITERAL("\0\0\0\x14\0\3\0\0\0\0\0\7\0\0\0\0\0\1\0\3one!"), false},
        {SLICE_LITERAL("\0\0\0\x13\0\3\0\0\0\0\0\7\0\0\0\0\0\1\0\3\1\2\3"), false},
        {SLICE_LITERAL("\0\0\0\x2d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x75\x30\0\0\0\0\0\0\0\0"
                       "\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
         false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        talk_begin();
        talk_say('>', cases[i].bytes.data, cases[i].bytes.length);
        feeder_close(&feeder);
        talk_expect_count(cases[i].is_kafka);
        if (cases[i].is_kafka)
            expect(0, "messaging.destination.name", "one");
        talk_done();
    }
}

static void records_are_skipped(void **state)
{
    (void)state;
    static char part[40000];
    talk_begin();
    TALK('>',
         "\x06\0\0\x2a\0\0\0\7\0\0\0\7\0\3app\xff\xff\0\1\0\0\0\1\0\0\0\1\0\3one\0\0\0\1\0\0\0\0"
         "\x06\0\0\0");
    talk_say('>', part, sizeof(part));
    talk_pass('>', 0x06000000 - sizeof(part));
    TALK('<', "\0\0\0\4\0\0\0\7");
    talk_close();
    talk_expect_count(1);
    expect(0, "kafka.acks", "1");
    expect(0, "kafka.request.size", "100663342");
    assert_int_equal(streams_counters(feeder.streams)->gap_bytes, 0);
    talk_done();
}

static void a_gap_disturbs_nothing_else(void **state)
{
    (void)state;
    talk_begin();
    TALK('>', METADATA);
    feeder.positions[DIRECTION_B_TO_A] += 77;
    TALK('>', "\0\0\0\x11\0\x12\0\0\0\0\0\x08\0\3app\0\0\0\0");
    TALK('<', "garbage");
    TALK('<', "\0\0\0\x06\0\0\0\x08\0\0");
    talk_close();
    talk_expect_count(2);
    expect_flags(0, BIT(UNPAIRED));
    expect_flags(1, 0);
    expect(1, "messaging.operation.name", "ApiVersions");
    talk_done();
}

static void counts_that_lie_are_survived(void **state)
{
    (void)state;
    static const char lies[][5] = {"\xff\xff\xff\xfe", "\x7f\xff\xff\xff", "\x80\0\0\0",
                                   "\0\0\xff\xff"};
    for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
        char message[] = "\0\0\0\x11\0\3\0\1\0\0\0\7\0\3app\0\0\0\0";
        char answer[] = "\0\0\0\x10\0\0\0\7\0\0\0\0\0\0\0\1\0\0\0\0";
        memcpy(message + 17, lies[i], 4);
        memcpy(answer + 8, lies[i], 4);
        talk_begin();
        talk_say('>', message, sizeof(message) - 1);
        talk_close();
        talk_done();
        talk_begin();
        TALK('>', METADATA);
        talk_say('<', answer, sizeof(answer) - 1);
        talk_close();
        talk_done();
    }
    static const char *const sizes[] = {"\x80\0\0\0", "\xff\xff\xff\xff", "\0\0\0\1"};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        talk_begin();
        TALK('>', METADATA);
        talk_say('<', sizes[i], 4);
        talk_close();
        talk_expect_count(1);
        expect_flags(0, BIT(UNPAIRED));
        talk_done();
    }
}

/* A message under construction; its size comes first. */
static struct {
    uint8_t bytes[256];
    size_t length;
} built;

static void put(const void *bytes, size_t length)
{
    assert_true(built.length + length <= sizeof(built.bytes));
    memcpy(built.bytes + built.length, bytes, length);
    built.length += length;
}
#define PUT(literal) put(literal, sizeof(literal) - 1)

static void begin_message(void)
{
    built.length = 0;
    PUT("\0\0\0\0");
}

static void send_built(char way)
{
    built.bytes[3] = (uint8_t)(built.length - 4);
    talk_say(way, built.bytes, built.length);
}

#define TOPIC_ID "\0\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
#define HEADER(key, version, id) "\0" key "\0" version "\0\0\0" id "\0\3app\0"

static void say_built(char way, const void *bytes, size_t length)
{
    begin_message();
    put(bytes, length);
    send_built(way);
}
#define SAY_BUILT(way, literal) say_built(way, literal, sizeof(literal) - 1)

static void groups_of_the_newest_versions_are_read(void **state)
{
    (void)state;
    talk_begin();
    /* StreamsGroupHeartbeat 0: group, member, epochs …; the answer: tags, throttle, error, message.
     */
    SAY_BUILT('>', HEADER("\x58", "\0", "\1") "\4grp\2m\0\0\0\1\0\0\0\1");
    SAY_BUILT('<', "\0\0\0\1\0\0\0\0\0\0\x82\4odd");
    /* ShareFetch 1: group, member, epoch, five numbers, one topic with one partition. */
    begin_message();
    PUT(HEADER("\x4e", "\1", "\2") "\4grp\2m\0\0\0\1");
    PUT("\0\0\1\0\0\0\0\1\0\1\0\0\0\0\1\0\0\0\1\0\2" TOPIC_ID);
    PUT("\2\0\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\2\1\0\0\0\1\0");
    send_built('>');
    SAY_BUILT('<', "\0\0\0\2\0\0\0\0\0\0\x7a\0");
    talk_close();
    talk_expect_count(2);
    expect(0, "messaging.operation.name", "StreamsGroupHeartbeat");
    expect(0, "messaging.consumer.group.name", "grp");
    expect(0, "error.code", "130");
    expect(0, "error.message", "odd");
    expect_flags(0, 0);
    expect(1, "messaging.operation.name", "ShareFetch");
    expect(1, "messaging.destination.name", "AAECAwQFBgcICQoLDA0ODw");
    expect(1, "error.message", "SHARE_SESSION_NOT_FOUND");
    expect_flags(1, 0);
    talk_done();
}

static void topics_of_the_newest_versions_are_read(void **state)
{
    (void)state;
    talk_begin();
    /* OffsetCommit 10: topics have ids. */
    begin_message();
    PUT(HEADER("\x08", "\x0a", "\3") "\4grp\0\0\0\1\2m\0\2" TOPIC_ID);
    PUT("\2\0\0\0\0\0\0\0\0\0\0\0\7\0\0\0\1\0\0\0\0");
    send_built('>');
    begin_message();
    PUT("\0\0\0\3\0\0\0\0\0\2" TOPIC_ID);
    PUT("\2\0\0\0\0\0\x71\0\0\0");
    send_built('<');
    /* Metadata 13: an error behind the topics. */
    SAY_BUILT('>', HEADER("\3", "\x0d", "\4") "\0\1\1\0");
    SAY_BUILT('<', "\0\0\0\4\0\0\0\0\0\1\0\xff\xff\xff\xff\1\0\x81\0");
    talk_close();
    talk_expect_count(2);
    expect(0, "messaging.consumer.group.name", "grp");
    expect(0, "messaging.destination.name", "AAECAwQFBgcICQoLDA0ODw");
    expect(0, "error.message", "STALE_MEMBER_EPOCH");
    expect_flags(0, 0);
    expect(1, "error.message", "REBOOTSTRAP_REQUIRED");
    expect_flags(1, 0);
    talk_done();
}

/* Tokens behind SaslHandshake 0 have nothing but their length, which may be 0. */
static void empty_tokens_are_read_over(void **state)
{
    (void)state;
    talk_begin();
    TALK('>', "\0\0\0\x14\0\x11\0\0\0\0\0\x0b\0\3app\0\5PLAIN");
    TALK('<', "\0\0\0\x11\0\0\0\x0b\0\0\0\0\0\1\0\5PLAIN");
    TALK('>', "\0\0\0\x0c\0user\0SECRET");
    TALK('<', "\0\0\0\0");
    TALK('>', METADATA);
    TALK('<', "\0\0\0\x10\0\0\0\7\0\0\0\0\0\0\0\1\0\0\0\0");
    talk_close();
    talk_expect_count(2);
    expect(1, "messaging.operation.name", "Metadata");
    expect_flags(1, 0);
    talk_done();
}

/* One topic was announced and is there: what is not kept are its records. */
static void a_large_batch_leaves_its_topic(void **state)
{
    (void)state;
    static char part[40000];
    talk_begin();
    TALK('>',
         "\0\0\x9c\x6a\0\0\0\7\0\0\0\7\0\3app\xff\xff\0\1\0\0\0\1\0\0\0\1\0\3one\0\0\0\1\0\0\0\0"
         "\0\0\x9c\x40");
    talk_say('>', part, sizeof(part));
    talk_close();
    talk_expect_count(1);
    expect(0, "messaging.destination.name", "one");
    expect(0, "kafka.topics", NULL);
    expect_flags(0, BIT(UNPAIRED));
    talk_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_and_responses_pair_by_id),
        cmocka_unit_test(clients_need_no_name),
        cmocka_unit_test(records_are_skipped),
        cmocka_unit_test(a_gap_disturbs_nothing_else),
        cmocka_unit_test(counts_that_lie_are_survived),
        cmocka_unit_test(groups_of_the_newest_versions_are_read),
        cmocka_unit_test(topics_of_the_newest_versions_are_read),
        cmocka_unit_test(empty_tokens_are_read_over),
        cmocka_unit_test(a_large_batch_leaves_its_topic),
    };
    return cmocka_run_group_tests(tests, NULL, feeder_finish);
}
