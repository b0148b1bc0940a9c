/* trace: a request's hops read back from a log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "base/allocate.h"
#include "serve/header_changes.h"
#include "serve/trace.h"

static struct trace trace;

#define HOP(id, ms, length_ns, role, own, peer, more)                                              \
    "{\"time\":\"2026-01-02T03:04:05.0" ms "000000Z\",\"type\":\"http\",\"id\":\"" id              \
    "\",\"trace\":\"00000000000000aa\",\"duration_ns\":" length_ns ",\"role\":\"" role             \
    "\",\"process.pid\":" own ",\"process.command\":\"p" own "\"" peer more "}"
#define PEER(pid) ",\"peer.process.pid\":" pid ",\"peer.process.command\":\"p" pid "\""

/* Client elsewhere -> 20 -> 30 here, and 20 -> elsewhere; 40 has nothing to do with it. */
static const char *const lines[] = {
    HOP("0000000000000003", "20", "5000000", "server", "30", PEER("20"),
        ",\"ttfb_ns\":4000000,\"connection.id\":\"00000000000000c3\",\"client.rtt_ns\":90000,"
        "\"client.rtt_minimum_ns\":60000,\"server.queue_ns\":1500000"),
    "{\"type\":\"http\",\"id\":\"0000000000000009\",\"process.pid\":40}",
    HOP("0000000000000002", "26", "2000000", "client", "20", "", ",\"connection.id\":\"c2\""),
    "not json at all 0000000000000001",
    "[\"0000000000000001\"]",
    HOP("0000000000000001", "10", "20000000", "server", "20", "", ",\"request_id\":\"r-1\""),
    "{\"type\":\"connection\",\"connection.id\":\"c2\",\"server.rtt_ns\":70000}",
};

static void read_all(const char *id)
{
    assert_int_equal(trace_begin(&trace, slice_of_string(id)), 0);
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        assert_int_equal(trace_look(&trace, slice_of_string(lines[i])), 0);
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        assert_int_equal(trace_take(&trace, slice_of_string(lines[i])), 0);
    trace_arrange(&trace);
}

static void hops_stand_in_order(void **state)
{
    static const char *const ids[] = {"0000000000000001", "0000000000000002", "0000000000000003",
                                      "00000000000000aa", "r-1"};

    (void)state;
    for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
        read_all(ids[i]);
        assert_int_equal(trace.hop_count, 3);
        assert_true(slice_is_equal(trace.hops[0].record->id, SLICE_LITERAL("0000000000000001")));
        assert_int_equal(trace.hops[0].parent, 0);
        assert_int_equal(trace.hops[1].parent, 1);
        assert_int_equal(trace.hops[2].parent, 1);
        assert_int_equal(trace.hops[2].depth, 1);
        trace_done(&trace);
    }
}

static void time_is_split(void **state)
{
    (void)state;
    read_all("r-1");
    assert_int_equal(trace.hops[0].before_ns, 10000000);
    assert_int_equal(trace.hops[0].below_ns, 7000000);
    assert_int_equal(trace.hops[0].after_ns, 2000000); /* 1 ms lies between the two below */
    assert_int_equal(trace.hops[1].server_ns, 4000000);
    assert_int_equal(trace.hops[2].rtt_ns, 70000);
    assert_int_equal(trace.hops[1].rtt_ns, 60000);
    trace_done(&trace);
}

static void waits_in_sockets_are_told(void **state)
{
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, 1 << 20);
    read_all("r-1");
    assert_int_equal(trace_print(&trace, false, &buffer), 0);
    assert_int_equal(trace_print_json(&trace, &buffer), 0);
    assert_int_equal(buffer_append(&buffer, slice_of("", 1)), 0);
    assert_non_null(strstr((char *)buffer.data, "before that 1.500 ms in the server's socket; "
                                                "network 0.060 ms there and back\n"));
    assert_non_null(strstr((char *)buffer.data, "\"server_queue_ns\":1500000"));
    assert_null(strstr((char *)buffer.data, "client_queue_ns"));
    buffer_done(&buffer);
    trace_done(&trace);
}

static void an_unknown_id_finds_nothing(void **state)
{
    (void)state;
    read_all("0000000000000777");
    assert_int_equal(trace.hop_count, 0);
    trace_done(&trace);
    assert_int_equal(trace_begin(&trace, slice_of_string("")), -22);
    assert_int_equal(
        trace_begin(&trace,
                    SLICE_LITERAL("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")),
        0);
    assert_string_equal(trace.keys[0], "0af7651916cd43dd8448eb211c80319c");
}

static void headers_are_compared_by_name_and_rank(void **state)
{
    struct log_header before[] = {{SLICE_LITERAL("Host"), SLICE_LITERAL("a")},
                                  {SLICE_LITERAL("X"), SLICE_LITERAL("1")},
                                  {SLICE_LITERAL("x"), SLICE_LITERAL("2")},
                                  {SLICE_LITERAL("Gone"), SLICE_LITERAL("")}};
    struct log_header after[] = {{SLICE_LITERAL("host"), SLICE_LITERAL("b")},
                                 {SLICE_LITERAL("x"), SLICE_LITERAL("1")},
                                 {SLICE_LITERAL("X"), SLICE_LITERAL("2")},
                                 {SLICE_LITERAL("X"), SLICE_LITERAL("3")}};
    struct header_changes changes;

    (void)state;
    assert_int_equal(header_changes_find(&(struct log_headers){before, 4},
                                         &(struct log_headers){after, 4}, &changes),
                     0);
    assert_int_equal(changes.count, 3);
    assert_int_equal(changes.kept, 2);
    assert_int_equal(changes.items[0].kind, HEADER_CHANGED);
    assert_int_equal(changes.items[1].kind, HEADER_REMOVED);
    assert_int_equal(changes.items[2].kind, HEADER_ADDED);
    assert_true(slice_is_equal(changes.items[2].after, SLICE_LITERAL("3")));
    header_changes_done(&changes);
}

/* Control characters of a log never reach a terminal raw. */
static void what_is_printed_is_harmless(void **state)
{
    static const char line[] =
        "{\"time\":\"2026-01-02T03:04:05Z\",\"type\":\"http\",\"id\":\"0000000000000001\","
        "\"http.request.method\":\"GET\",\"url.original\":\"/\\u001b[2J\\u0000\\u009b\","
        "\"client.address\":\"\\u001b]0;x\\u0007\"}";
    struct buffer buffer;

    (void)state;
    assert_int_equal(trace_begin(&trace, SLICE_LITERAL("0000000000000001")), 0);
    assert_int_equal(trace_take(&trace, slice_of_string(line)), 0);
    trace_arrange(&trace);
    buffer_init(&buffer, 1 << 20);
    assert_int_equal(trace_print(&trace, false, &buffer), 0);
    for (size_t i = 0; i < buffer.length; i++)
        assert_true(buffer.data[i] == '\n' || (buffer.data[i] >= ' ' && buffer.data[i] < 0x7f));
    buffer_done(&buffer);
    trace_done(&trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hops_stand_in_order),
        cmocka_unit_test(time_is_split),
        cmocka_unit_test(waits_in_sockets_are_told),
        cmocka_unit_test(an_unknown_id_finds_nothing),
        cmocka_unit_test(headers_are_compared_by_name_and_rank),
        cmocka_unit_test(what_is_printed_is_harmless),
    };

    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
