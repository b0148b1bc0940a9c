/* test_packet_record: each header element as a field of the packet's record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/allocate.h"
#include "decode/checksum.h"
#include "decode/packet_record.h"
#include "encode/encoder.h"
#include "tests/lib/frames.h"

static struct decoder *decoder;
static struct packet packet;
static struct buffer json;

static int set_up(void **state)
{
    (void)state;
    buffer_init(&json, 1 << 20);
    return decoder_new(NULL, &decoder);
}

static int tear_down(void **state)
{
    (void)state;
    decoder_free(&decoder);
    buffer_done(&json);
    record_pool_done();
    return 0;
}

/* The packet's record as JSON, in static memory. */
static const char *encode(struct frame *frame, struct packet_record_options options)
{
    struct record *record;

    options.source = "pcap";
    decoder_decode(decoder, frame, &packet);
    record = packet_record_make(&packet, &options);
    assert_non_null(record);
    json.length = 0;
    assert_int_equal(encoder_json.encode(record, NULL, &json), 0);
    record_unref(&record);
    assert_int_equal(buffer_append(&json, slice_of("", 1)), 0);
    return (const char *)json.data;
}

static void check_text(const char *text, const char *const *parts)
{
    for (; *parts; parts++) {
        if (**parts == '-' ? !strstr(text, *parts + 1) : !!strstr(text, *parts))
            continue;
        fprintf(stderr, "%s %s in:\n%s\n", **parts == '-' ? "unexpected" : "missing", *parts, text);
        fail();
    }
}

/* Decodes the frame and looks for each part in its JSON; parts that begin with - must not be there.
 */
#define CHECK(link, hex, ...)                                                                      \
    do {                                                                                           \
        struct slice bytes_ = frames_bytes(hex);                                                   \
        struct frame frame_ = {                                                                    \
            .link_type = link, .bytes = bytes_, .length = (uint32_t)bytes_.length};                \
                                                                                                   \
        check_text(encode(&frame_, (struct packet_record_options){0}),                             \
                   (const char *const[]){__VA_ARGS__, NULL});                                      \
        frames_free(bytes_);                                                                       \
    } while (0)

#define ETHER(type) "020000000001 020000000002 " type " "
#define IP4(length, protocol) "4500 " length " 0001 4000 40 " protocol " 0000 0a000001 0a000002 "
#define IP6(length, next)                                                                          \
    "6b812345 " length " " next " 40 20010db8000000000000000000000001 "                            \
    "20010db8000000000000000000000002 "

static void test_link(void **state)
{
    (void)state;
    CHECK(1, ETHER("88cc") "0207", "\"source.mac\":\"02:00:00:00:00:02\"",
          "\"destination.mac\":\"02:00:00:00:00:01\"", "\"ethernet.type\":35020",
          "\"packet.length\":16", "-captured_length", "\"packet.layers\":[\"ethernet\"]",
          "\"packet.link_type\":1", "-source.address", "-packet.number");
    CHECK(1, ETHER("0007") "424203 00000000", "\"ethernet.length\":7", "\"llc.dsap\":66",
          "\"llc.ssap\":66", "\"llc.control\":3", "-llc.oui");
    CHECK(1, ETHER("88a8") "7064 8100 30c8 0800", "\"network.vlan.ids\":[100,200]",
          "\"vlan.tags\":[{\"id\":100,\"priority\":3,\"dei\":1,\"tpid\":34984},"
          "{\"id\":200,\"priority\":1,\"dei\":1,\"tpid\":33024}]");
    CHECK(1, ETHER("8847") "0006 4a40 000c 8140",
          "\"mpls.labels\":[{\"label\":100,\"traffic_class\":5,\"bottom\":0,\"ttl\":64},"
          "{\"label\":200,\"traffic_class\":0,\"bottom\":1,\"ttl\":64}]");
    CHECK(1, ETHER("8864") "1100 0203 0002 c021", "\"pppoe.session_id\":515", "\"pppoe.code\":0",
          "\"ppp.protocol\":49185");
    CHECK(113, "0002 0001 0006 0200000000020000 88cc", "\"link.packet_type\":\"multicast\"",
          "\"packet.direction\":\"ingress\"", "\"source.mac\":\"02:00:00:00:00:02\"");
    CHECK(105, "0802 0000 020000000001 020000000002 020000000003 1000 4242030000",
          "\"source.mac\":\"02:00:00:00:00:03\"", "\"destination.mac\":\"02:00:00:00:00:01\"",
          "\"wlan.bssid\":\"02:00:00:00:00:02\"", "\"llc.dsap\":66");
}

static void test_arp(void **state)
{
    (void)state;
    CHECK(1, ETHER("0806") "0001 0800 06 04 0001 020000000002 0a000001 000000000000 0a000002",
          "\"arp.operation\":1", "\"arp.kind\":\"request\"",
          "\"arp.sender.mac\":\"02:00:00:00:00:02\"", "\"arp.sender.address\":\"10.0.0.1\"",
          "\"arp.target.address\":\"10.0.0.2\"", "\"arp.hardware_type\":1");
    CHECK(1, ETHER("0806") "0001 0800 06 04 0001 020000000002 00000000 000000000000 0a000002",
          "\"arp.kind\":\"probe\"");
    CHECK(1, ETHER("0806") "0001 0800 06 04 0002 020000000002 0a000002 000000000000 0a000002",
          "\"arp.kind\":\"announcement\"", "\"arp.operation\":2");
    CHECK(1, ETHER("0806") "0001 0800 06 04 0009 020000000002 0a000001 000000000000 0a000002",
          "\"arp.operation\":9", "-arp.kind");
}

static void test_ipv4(void **state)
{
    (void)state;
    CHECK(
        101,
        "4ab9 0028 1234 e000 11 59 0000 0a000001 0a000002 0707040a000009 01 94040000 86080000000501"
        "02",
        "\"ip.header_length\":40", "\"ip.dscp\":46", "\"ip.ecn\":1", "\"ip.total_length\":40",
        "\"ip.id\":4660", "\"ip.flags\":[\"mf\",\"df\",\"reserved\"]", "\"ip.ttl\":17",
        "\"ip.checksum\":0", "\"ip.checksum_status\":\"bad\"", "\"network.type\":\"ipv4\"",
        "\"network.transport\":\"ospf\"", "\"network.iana_number\":89",
        "\"ip.options\":[{\"type\":7,\"name\":\"record_route\",\"length\":7,\"pointer\":4,"
        "\"addresses\":\"10.0.0.9\"},{\"type\":1,\"name\":\"nop\"},"
        "{\"type\":148,\"name\":\"router_alert\",\"length\":4,\"value\":0},"
        "{\"type\":134,\"name\":\"cipso\",\"length\":8,\"doi\":5,\"data\":\"0102\"}]");
    CHECK(101, "4600 0018 0001 0000 40 59 0000 0a000001 0a000002 44090000",
          "\"malformed.reason\":\"an IPv4 option's length is wrong\"",
          "\"ip.options\":[{\"type\":68,\"name\":\"timestamp\"}]", "\"flags\":[\"malformed\"]");
}

static void test_ipv6(void **state)
{
    (void)state;
    CHECK(
        101,
        IP6("0030", "00") "2b00 05020000 0100 2c02 0401 0012 0034 "
                          "20010db8000000000000000000000009 1100 0011 00000007 1388 1770 0008 0000",
        "\"ip.dscp\":46", "\"ip.ecn\":0", "\"ip.flow_label\":74565", "\"ip.payload_length\":48",
        "\"ip.next_header\":0", "\"ip.ttl\":64", "\"ip.id\":7", "\"ip.fragment_offset\":16",
        "\"ip.flags\":[\"mf\"]", "\"destination.address\":\"2001:db8::9\"",
        "\"ip.destination\":\"2001:db8::2\"", "-ip.source",
        "\"ip.extensions\":[{\"type\":0,\"name\":\"hop_by_hop\",\"length\":8,"
        "\"options\":\"router_alert=0 padn\"},"
        "{\"type\":43,\"name\":\"routing\",\"length\":24,\"routing_type\":4,\"segments_left\":1,"
        "\"last_entry\":0,\"flags\":18,\"tag\":52,\"addresses\":\"2001:db8::9\"},"
        "{\"type\":44,\"name\":\"fragment\",\"length\":8,\"offset\":16,\"more\":1,\"id\":7}]",
        "\"packet.layers\":[\"ipv6\",\"hop_by_hop\",\"routing\",\"fragment\"]");
    CHECK(101, IP6("0010", "32") "00000102 00000003 1122334455667788",
          "\"ip.extensions\":[{\"type\":50,\"name\":\"esp\",\"length\":8,\"spi\":258,"
          "\"sequence\":3}]");
}

static void test_tcp(void **state)
{
    (void)state;
    CHECK(101,
          IP4("003c", "06") "9c40 0050 01020304 00000000 a0c2 ffff 0000 0000 "
                            "020405b4 0402 080a 00000001 00000002 01 030307",
          "\"network.transport\":\"tcp\"", "\"source.port\":40000", "\"destination.port\":80",
          "\"tcp.sequence\":16909060", "\"tcp.acknowledgment\":0", "\"tcp.header_length\":40",
          "\"tcp.flags\":[\"syn\",\"ece\",\"cwr\"]", "\"tcp.window\":65535", "-tcp.urgent",
          "-tcp.reserved", "-tcp.window_scaled", "\"packet.payload_length\":0",
          "\"tcp.options\":[{\"kind\":2,\"name\":\"mss\",\"length\":4,\"value\":1460},"
          "{\"kind\":4,\"name\":\"sack_permitted\",\"length\":2},"
          "{\"kind\":8,\"name\":\"timestamps\",\"length\":10,\"value\":1,\"echo\":2},"
          "{\"kind\":1,\"name\":\"nop\"},"
          "{\"kind\":3,\"name\":\"window_scale\",\"length\":3,\"shift\":7}]");
    CHECK(101,
          IP4("0044", "06") "9c40 0050 00000001 00000002 cf30 1000 0000 0005 "
                            "0512 00000010 00000020 00000030 00000040 0101 1c04 8005 00000000",
          "\"tcp.flags\":[\"ack\",\"urg\",\"ae\"]", "\"tcp.reserved\":7",
          "\"tcp.urgent_pointer\":5", "\"blocks\":\"16-32 48-64\"", "\"timeout_s\":300",
          "{\"kind\":0,\"name\":\"end\"}]");
    CHECK(101,
          IP4("0044", "06") "9c40 0050 00000001 00000002 c010 1000 0000 0000 "
                            "2206 01020304 1d06 0102 aabb fe06 f989 0506 ac08 000001 000002 0101",
          "{\"kind\":34,\"name\":\"fast_open\",\"length\":6,\"cookie\":\"01020304\"}",
          "{\"kind\":29,\"name\":\"ao\",\"length\":6,\"key_id\":1,\"next_key_id\":2,"
          "\"mac\":\"aabb\"}",
          "{\"kind\":254,\"name\":\"experiment\",\"length\":6,\"experiment_id\":63881,"
          "\"cookie\":\"0506\"}",
          "{\"kind\":172,\"name\":\"accurate_ecn\",\"length\":8,\"e0b\":1,\"ceb\":2}");
    CHECK(101,
          IP4("0034", "06") "9c40 0050 00000001 00000002 8010 1000 0000 0000 "
                            "1e0c 0181 1122334455667788",
          "{\"kind\":30,\"name\":\"mptcp\",\"length\":12,\"subtype\":0,"
          "\"subtype_name\":\"mp_capable\",\"version\":1,\"flags\":129,"
          "\"sender_key\":\"1122334455667788\"}");
    CHECK(101, IP4("002c", "06") "9c40 0050 00000001 00000002 6010 1000 0000 0000 01021305",
          "\"malformed.reason\":\"a TCP option's length is wrong\"");
}

static void test_udp_and_checksums(void **state)
{
    (void)state;
    CHECK(101, "4500 0020 0001 0000 40 11 66ca 0a000001 0a000002 1388 1770 000c 0000 74657374",
          "\"ip.checksum_status\":\"good\"", "\"udp.checksum_status\":\"none\"",
          "\"udp.length\":12", "\"udp.checksum\":0");
    CHECK(101, "4500 0020 0001 0000 40 11 66ca 0a000001 0a000002 1388 1770 000c d9f9 74657374",
          "\"udp.checksum_status\":\"bad\"");
    CHECK(101, "4500 0020 0001 0000 40 11 66ca 0a000001 0a000002 1388 1770 000c d0fb 74657374",
          "\"udp.checksum_status\":\"bad\"");
    CHECK(101, "4500 0020 0001 0000 40 11 66ca 0a000001 0a000002 1388 1770 000c 1420 74657374",
          "\"udp.checksum_status\":\"partial\"");
    CHECK(101, "4500 0020 0001 0000 40 11 66ca 0a000001 0a000002 1388 1770 000c d901 74657374",
          "\"udp.checksum_status\":\"good\"");
}

static void test_icmp(void **state)
{
    (void)state;
    CHECK(101, IP4("0020", "01") "0800 0000 0102 0304 74657374", "\"icmp.type\":8",
          "\"icmp.code\":0", "\"icmp.id\":258", "\"icmp.sequence\":772", "-source.port");
    CHECK(101,
          IP4("0038", "01") "0304 0000 0000 05dc "
                            "4500 0100 0009 0000 3f 06 0000 0a000002 0a000003 0050 9c40 00000001",
          "\"icmp.mtu\":1500", "\"icmp.quoted.source.address\":\"10.0.0.2\"",
          "\"icmp.quoted.source.port\":80", "\"icmp.quoted.destination.address\":\"10.0.0.3\"",
          "\"icmp.quoted.destination.port\":40000", "\"icmp.quoted.protocol\":6",
          "\"icmp.quoted.ttl\":63", "\"icmp.quoted.id\":9", "-icmp.id");
    CHECK(101, IP4("001c", "01") "0501 0000 0a0000fe", "\"icmp.gateway\":\"10.0.0.254\"");
    CHECK(101,
          IP6("0020", "3a") "8700 0000 00000000 20010db8000000000000000000000002 0101020000000009",
          "\"icmp.type\":135", "\"icmp.target\":\"2001:db8::2\"",
          "\"icmp.options\":[{\"type\":1,\"name\":\"source_link_address\",\"length\":8,"
          "\"mac\":\"02:00:00:00:00:09\"}]");
    CHECK(101, IP6("0038", "3a") "0200 0000 00000500 " IP6("0100", "11") "1388 1770 0000 0000",
          "\"icmp.mtu\":1280", "\"icmp.quoted.source.port\":5000",
          "\"icmp.quoted.destination.address\":\"2001:db8::2\"", "\"icmp.quoted.protocol\":17");
}

static void test_sctp_and_igmp(void **state)
{
    (void)state;
    CHECK(101, IP4("0030", "84") "1388 1770 01020304 05060708 0a000004 0e000006 00000000 c0000004",
          "\"network.transport\":\"sctp\"", "\"sctp.verification_tag\":16909060",
          "\"sctp.checksum\":84281096",
          "\"sctp.chunks\":[\"cookie_echo\",\"shutdown_complete\",\"forward_tsn\"]");
    CHECK(101, IP4("001c", "02") "1600 0000 e0000001", "\"igmp.type\":22",
          "\"igmp.group\":\"224.0.0.1\"", "\"network.transport\":\"igmp\"");
}

static void test_tunnels(void **state)
{
    (void)state;
    CHECK(1,
          ETHER("0800") "4500 0052 0001 0000 3f 11 0000 0a000001 0a000002 c000 12b5 003e 0000 "
                        "08000000 00000b00 0200000000aa 0200000000bb 0800 "
                        "4500 0020 0001 0000 40 11 0000 01010101 02020202 1388 1770 000c 0000 "
                        "74657374",
          "\"tunnels\":[{\"kind\":\"vxlan\",\"source\":\"10.0.0.1\",\"destination\":\"10.0.0.2\","
          "\"ttl\":63,\"traffic_class\":0,\"source_port\":49152,\"destination_port\":4789,"
          "\"id\":11,\"carried_source_mac\":\"02:00:00:00:00:bb\","
          "\"carried_destination_mac\":\"02:00:00:00:00:aa\"}]",
          "\"source.mac\":\"02:00:00:00:00:02\"", "\"source.address\":\"1.1.1.1\"", "\"ip.ttl\":64",
          "\"source.port\":5000");
    CHECK(101,
          "4500 005c 0001 0000 40 2f 0000 0a000001 0a000002 3000 0800 00000105 00000009 "
          "4500 003c 0001 0000 40 29 0000 0a000003 0a000004 " IP6("0000", "3b"),
          "\"tunnels\":[{\"kind\":\"gre\"", "\"protocol\":2048,\"id\":261,\"sequence\":9}",
          "{\"kind\":\"6in4\",\"source\":\"10.0.0.3\",\"destination\":\"10.0.0.4\"");
}

static void test_frame_and_flow(void **state)
{
    struct slice bytes =
        frames_bytes(ETHER("0800") "4500 0028 0001 0000 40 06 0000 0a000001 0a000002 "
                                   "9c40 0050 00000001 00000002 5010 0102 0000 0000");
    struct frame frame = {.time_ns = UINT64_C(1700000000123456789),
                          .number = 7,
                          .link_type = 1,
                          .bytes = bytes,
                          .length = 9000,
                          .segment_count = 3,
                          .segment_size = 1448,
                          .has_stripped_vlan = true,
                          .stripped_vlan_tpid = 0x8100,
                          .stripped_vlan_tci = 13,
                          .direction = PACKET_EGRESS,
                          .interface_index = 2,
                          .interface_name = SLICE_LITERAL("eth0"),
                          .drop_reason = SLICE_LITERAL("NO_SOCKET")};
    struct packet_record_options options = {.id = 1,
                                            .connection = 0xabc,
                                            .community_id = SLICE_LITERAL("1:abc="),
                                            .has_window_scale = true,
                                            .window_scale = 7,
                                            .has_client = true};

    (void)state;
    check_text(
        encode(&frame, options),
        (const char *const[]){"\"time\":\"2023-11-14T22:13:20.123456789Z\",\"type\":\"packet\"",
                              "\"connection.id\":\"0000000000000abc\"",
                              "\"network.community_id\":\"1:abc=\"",
                              "\"packet.number\":7",
                              "\"packet.length\":9000",
                              "\"packet.captured_length\":54",
                              "\"packet.segments\":3",
                              "\"packet.segment_size\":1448",
                              "\"packet.direction\":\"egress\"",
                              "\"interface.name\":\"eth0\"",
                              "\"interface.index\":2",
                              "\"drop.reason\":\"NO_SOCKET\"",
                              "\"tcp.window_scaled\":33024",
                              "\"client.address\":\"10.0.0.2\"",
                              "\"client.port\":80",
                              "\"server.address\":\"10.0.0.1\"",
                              "\"source.address\":\"10.0.0.1\"",
                              "\"vlan.tags\":[{\"id\":13,\"priority\":0,\"dei\":0,\"tpid\":33024,"
                              "\"stripped\":1}]",
                              "-checksum_status\":\"good",
                              NULL});
    frames_free(bytes);
}

static void test_reassembled_and_cut(void **state)
{
    struct slice bytes = frames_bytes(IP4("0028", "06") "9c40 0050 00000001");
    struct frame frame = {.link_type = 101, .bytes = bytes, .length = 40};

    (void)state;
    CHECK(101, "4500 001c 0001 2000 40 11 0000 0a000001 0a000002 1388 1770 0000 0000",
          "\"ip.fragment_offset\":0", "\"ip.flags\":[\"mf\"]", "\"source.port\":5000");
    CHECK(101, "4500 0018 0001 0001 40 11 0000 0a000001 0a000002 74657374",
          "\"ip.fragment_offset\":8", "\"ip.reassembled_length\":12", "\"source.port\":5000",
          "\"packet.payload_length\":4");
    check_text(encode(&frame, (struct packet_record_options){0}),
               (const char *const[]){"\"flags\":[\"truncated\"]", "\"source.port\":40000",
                                     "-tcp.sequence", NULL});
    frames_free(bytes);
}

/* One line, as readers of tcpdump know it. */
static void check_line(uint32_t link_type, const char *hex, const char *expected)
{
    struct slice bytes = frames_bytes(hex);
    struct frame frame = {.link_type = link_type, .bytes = bytes, .length = (uint32_t)bytes.length};
    struct packet_record_options options = {.source = "pcap"};
    struct record *record;

    decoder_decode(decoder, &frame, &packet);
    record = packet_record_make(&packet, &options);
    assert_non_null(record);
    json.length = 0;
    assert_int_equal(encoder_pretty.encode(record, NULL, &json), 0);
    json.data[json.length - 1] = '\0';
    assert_string_equal((const char *)json.data, expected);
    record_unref(&record);
    frames_free(bytes);
}

static void test_pretty(void **state)
{
    (void)state;
    check_line(
        101, IP4("0030", "06") "9c40 0050 00000001 00000000 7002 ffff 0000 0000 020405b4 01 030307",
        "00:00:00.000 10.0.0.1:40000 → 10.0.0.2:80 tcp [S] seq 1 ack 0 win 65535 "
        "<mss 1460,nop,window_scale 7> length 0 ttl 64 bad checksum");
    check_line(1,
               ETHER("8100") "000d 0806 0001 0800 06 04 0001 020000000002 0a000001 000000000000 "
                             "0a000002",
               "00:00:00.000 vlan 13 02:00:00:00:00:02 → 02:00:00:00:00:01 arp request of 10.0.0.2 "
               "from 10.0.0.1 length 0");
    check_line(101, IP6("000c", "11") "1388 1770 000c 0000 74657374",
               "00:00:00.000 [2001:db8::1]:5000 → [2001:db8::2]:6000 udp length 4 ttl 64 "
               "bad checksum");
    check_line(101, "4500 0018 0007 0001 40 11 0000 0a000001 0a000002 74657374",
               "00:00:00.000 10.0.0.1 → 10.0.0.2 udp fragment of 7 at 8 length 4 ttl 64 "
               "bad checksum");
    check_line(1, ETHER("88cc") "0207",
               "00:00:00.000 02:00:00:00:00:02 → 02:00:00:00:00:01 ethernet length 2");
}

/* Any sum of words in any cut is the same (RFC 1071 §2). */
static void test_checksum_sum(void **state)
{
    uint8_t bytes[64];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 37 + 200);
    for (size_t length = 0; length <= sizeof(bytes); length++) {
        uint64_t sum = 0;
        uint16_t expected, got = checksum_add(0, slice_of(bytes, length));

        for (size_t i = 0; i < length; i++)
            sum += i % 2 ? bytes[i] : (unsigned)bytes[i] << 8;
        while (sum >> 16)
            sum = (sum & 0xffff) + (sum >> 16);
        expected = (uint16_t)(sum << 8 | sum >> 8); /* as this machine has it */
        if (*(const uint8_t *)&(uint16_t){1} == 0)
            expected = (uint16_t)sum;
        assert_int_equal(got, expected);
    }
}

static void test_no_memory(void **state)
{
    struct packet_record_options options = {.source = "pcap"};

    (void)state;
    decoder_decode(decoder, &(struct frame){.link_type = 1}, &packet);
    for (uint64_t i = 1; i <= 2; i++) {
        record_pool_done();
        allocate_fail_at(i);
        assert_null(packet_record_make(&packet, &options));
    }
    allocate_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_link, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_arp, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ipv4, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ipv6, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tcp, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_udp_and_checksums, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_icmp, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sctp_and_igmp, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tunnels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_frame_and_flow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reassembled_and_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pretty, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_checksum_sum, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_memory, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
