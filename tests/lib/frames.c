/*
 * frames: see the header. The pieces below are headers as hex text; lengths in them are written out
 * where a sample uses them.
 */
#include "tests/lib/frames.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Link headers and what is between them and IP. */
#define ETHER(type) "020000000001 020000000002 " type " "
#define VLAN(tci, type) tci type " "
#define MPLS(label_and_bits) label_and_bits " "
/* IPv4 from 10.0.0.1 to 10.0.0.2, IPv6 from 2001:db8::1 to ::2. */
#define IP4(length, protocol) "4500 " length " 0001 0000 40 " protocol " 0000 0a000001 0a000002 "
#define IP4_FRAGMENT(length, field, protocol)                                                      \
    "4500 " length " 0007 " field " 40 " protocol " 0000 0a000001 0a000002 "
#define IP6(length, next)                                                                          \
    "60000000 " length " " next " 40 20010db8000000000000000000000001 "                            \
    "20010db8000000000000000000000002 "
/* Transports: ports 40000 and 80, or 5000 and 6000. */
#define TCP "9c40 0050 00000001 00000002 5018 1000 0000 0000 "
#define TCP_OPTIONS "9c40 0050 00000001 00000000 6002 1000 0000 0000 020405b4 "
#define UDP(length) "1388 1770 " length " 0000 "
#define UDP_TO(source, destination, length) source " " destination " " length " 0000 "
#define SMALL IP4("0020", "11") UDP("000c") "74657374 "  /* 32 bytes */
#define SMALL6 IP6("000c", "11") UDP("000c") "74657374 " /* 52 bytes */
#define ENDS "10.0.0.1:5000>10.0.0.2:6000 payload 4/4"
#define ENDS6 "2001:db8::1:5000>2001:db8::2:6000 payload 4/4"
#define WLAN "0100 020000000001 020000000002 020000000003 1000 "
#define SNAP(type) "aaaa03 000000 " type " "

const struct frame_sample frame_samples[] = {
    {"ethernet-tcp", 1, ETHER("0800") IP4("002c", "06") TCP "74657374",
     "ethernet ipv4 tcp 10.0.0.1:40000>10.0.0.2:80 flags 018 payload 4/4"},
    {"ethernet-tcp-options", 1, ETHER("0800") IP4("002c", "06") TCP_OPTIONS,
     "ethernet ipv4 tcp 10.0.0.1:40000>10.0.0.2:80 flags 002 options 4 payload 0/0"},
    {"ethernet-padding", 1, ETHER("0800") SMALL "000000000000000000000000000000000000",
     "ethernet ipv4 udp " ENDS},
    {"ethernet-ipv6", 1, ETHER("86dd") SMALL6, "ethernet ipv6 udp " ENDS6},
    {"ethernet-arp", 1,
     ETHER("0806") "0001 0800 06 04 0001 020000000002 0a000001 000000000000 0a000002 0000",
     "ethernet arp payload 2/2"},
    {"ethernet-llc", 1, ETHER("0007") "424203 00000000 0000", "ethernet llc payload 4/4"},
    {"ethernet-snap", 1, ETHER("0028") SNAP("0800") SMALL "0000", "ethernet llc ipv4 udp " ENDS},
    {"ethernet-novell", 1, ETHER("0004") "ffff0004", "ethernet payload 4/4"},
    {"ethernet-unknown", 1, ETHER("88cc") "0207", "ethernet payload 2/2"},
    {"vlan", 1, ETHER("8100") VLAN("600d", "0800") SMALL, "ethernet vlan(13) ipv4 udp " ENDS},
    {"vlan-qinq", 1, ETHER("88a8") VLAN("0064", "8100") VLAN("00c8", "0800") SMALL,
     "ethernet vlan(100) vlan(200) ipv4 udp " ENDS},
    {"vlan-priority-tag", 1, ETHER("8100") VLAN("2000", "0800") SMALL,
     "ethernet vlan(0) ipv4 udp " ENDS},
    {"vlan-snap", 1, ETHER("8100") VLAN("0001", "0028") SNAP("0800") SMALL,
     "ethernet vlan(1) llc ipv4 udp " ENDS},
    {"vlan-eight", 1,
     ETHER("8100") VLAN("0001", "8100") VLAN("0002", "8100") VLAN("0003", "8100")
         VLAN("0004", "8100") VLAN("0005", "9100") VLAN("0006", "9200") VLAN("0007", "9300")
             VLAN("0008", "0800") SMALL,
     "ethernet vlan(1) vlan(2) vlan(3) vlan(4) vlan(5) vlan(6) vlan(7) vlan(8) ipv4 udp " ENDS},
    {"vntag", 1, ETHER("8926") "00000000 0800" SMALL, "ethernet vntag ipv4 udp " ENDS},
    {"etag", 1, ETHER("893f") "000000000000 0800" SMALL, "ethernet etag ipv4 udp " ENDS},
    {"nsh", 1, ETHER("894f") "0fc6 01 01 00000102 00000000000000000000000000000000" SMALL,
     "ethernet nsh ipv4 udp " ENDS},
    {"pbb", 1, ETHER("88a8") VLAN("0064", "88e7") "00000101 " ETHER("0800") SMALL,
     "ethernet vlan(100) pbb ethernet ipv4 udp " ENDS},
    {"fabricpath", 1, ETHER("8903") "0041 " ETHER("0800") SMALL,
     "ethernet fabricpath ethernet ipv4 udp " ENDS},
    {"mpls", 1, ETHER("8847") MPLS("00064040") MPLS("000c8140") SMALL,
     "ethernet mpls mpls ipv4 udp " ENDS},
    {"mpls-ipv6", 1, ETHER("8847") MPLS("000c8140") SMALL6, "ethernet mpls ipv6 udp " ENDS6},
    {"mpls-pseudowire", 1, ETHER("8847") MPLS("000c8140") "00000000" ETHER("0800") SMALL,
     "ethernet mpls ethernet ipv4 udp " ENDS},
    {"mpls-ethernet", 1, ETHER("8847") MPLS("000c8140") ETHER("0800") SMALL,
     "ethernet mpls ethernet ipv4 udp " ENDS},
    {"pppoe", 1, ETHER("8864") "1100 0001 0022 0021" SMALL "0000",
     "ethernet pppoe ppp ipv4 udp " ENDS},
    {"pppoe-discovery", 1, ETHER("8863") "1109 0000 0004 01010000 0000",
     "ethernet pppoe payload 4/4"},
    {"null-little", 0, "02000000" SMALL, "null ipv4 udp " ENDS},
    {"null-big", 0, "0000001e" SMALL6, "null ipv6 udp " ENDS6},
    {"loop", 108, "00000018" SMALL6, "null ipv6 udp " ENDS6},
    {"raw", 101, SMALL, "ipv4 udp " ENDS},
    {"raw-bsd", 12, SMALL6, "ipv6 udp " ENDS6},
    {"raw-openbsd", 14, SMALL, "ipv4 udp " ENDS},
    {"ipv4", 228, SMALL, "ipv4 udp " ENDS},
    {"ipv6", 229, SMALL6, "ipv6 udp " ENDS6},
    {"sll", 113, "0004 0001 0006 0200000000020000 0800" SMALL, "sll ipv4 udp " ENDS " egress"},
    {"sll-llc", 113, "0000 0001 0006 0200000000020000 0004" SNAP("0800") SMALL,
     "sll llc ipv4 udp " ENDS " ingress"},
    {"sll2", 276, "86dd 0000 00000002 0001 00 06 0200000000020000" SMALL6,
     "sll2 ipv6 udp " ENDS6 " ingress"},
    {"ppp", 9, "0021" SMALL, "ppp ipv4 udp " ENDS},
    {"ppp-hdlc", 50, "ff03 0057" SMALL6, "ppp ipv6 udp " ENDS6},
    {"ppp-compressed", 9, "21" SMALL, "ppp ipv4 udp " ENDS},
    {"ppp-mpls", 9, "ff03 0281" MPLS("000c8140") SMALL, "ppp mpls ipv4 udp " ENDS},
    {"ppp-cisco", 50, "0f00 0800" SMALL, "hdlc ipv4 udp " ENDS},
    {"ppp-direction", 166, "01 03 0021" SMALL, "ppp ipv4 udp " ENDS " egress"},
    {"ppp-ether", 51, "1100 0001 0022 0021" SMALL, "pppoe ppp ipv4 udp " ENDS},
    {"hdlc", 104, "0f00 0800" SMALL, "hdlc ipv4 udp " ENDS},
    {"nflog", 239, "02000000 08000100 08000000 0500 0a00 61000000 2400 0900" SMALL,
     "nflog ipv4 udp " ENDS},
    {"nflog-big", 239, "02000000 0024 0009" SMALL, "nflog ipv4 udp " ENDS},
    {"wlan", 105, "0801" WLAN SNAP("0800") SMALL, "wlan llc ipv4 udp " ENDS},
    {"wlan-qos", 105, "8801" WLAN "0000" SNAP("0800") SMALL, "wlan llc ipv4 udp " ENDS},
    {"wlan-four-addresses", 105, "0803" WLAN "020000000004" SNAP("0800") SMALL,
     "wlan llc ipv4 udp " ENDS},
    {"wlan-aggregate", 105,
     "8801" WLAN "8000 020000000001 020000000002 0028" SNAP("0800") SMALL "0000",
     "wlan llc ipv4 udp " ENDS},
    {"wlan-protected", 105, "0841" WLAN "00112233", "wlan payload 4/4"},
    {"wlan-beacon", 105, "8000" WLAN "00112233", "wlan payload 4/4"},
    {"radiotap-fcs", 127, "0000 0900 02000000 10 0801" WLAN SNAP("0800") SMALL "11223344",
     "radiotap wlan llc ipv4 udp " ENDS},
    {"radiotap-padding", 127, "0000 0900 02000000 20 8801" WLAN "0000 0000" SNAP("0800") SMALL,
     "radiotap wlan llc ipv4 udp " ENDS},
    {"ppi", 192, "00000800 69000000 0801" WLAN SNAP("0800") SMALL,
     "radiotap wlan llc ipv4 udp " ENDS},
    {"ppi-ethernet", 192, "00000800 01000000" ETHER("0800") SMALL,
     "radiotap ethernet ipv4 udp " ENDS},
    {"avs", 163, "80211001 0000000c 00000000 0801" WLAN SNAP("0800") SMALL,
     "radiotap wlan llc ipv4 udp " ENDS},
    {"prism", 119, "44000000 0c000000 00000000 0801" WLAN SNAP("0800") SMALL,
     "radiotap wlan llc ipv4 udp " ENDS},
    {"ipv4-options", 228,
     "4600 0024 0001 0000 40 11 0000 0a000001 0a000002 94040000" UDP("000c") "74657374",
     "ipv4 udp " ENDS},
    {"ipv4-offloaded", 228, IP4("0000", "11") UDP("000c") "74657374", "ipv4 udp " ENDS},
    {"ipv4-fragment", 228, IP4_FRAGMENT("0024", "2000", "11") UDP("0018") "7465737474657374",
     "ipv4 udp 10.0.0.1:5000>10.0.0.2:6000 fragment 0+ payload 8/8"},
    {"ipv4-ah", 228,
     IP4("0038",
         "33") "1104 0000 00000001 00000001 112233445566778899aabbcc" UDP("000c") "74657374",
     "ipv4 ah udp " ENDS},
    {"ipv4-esp", 228, IP4("0024", "32") "00000001 00000002 1122334455667788",
     "ipv4 esp 10.0.0.1>10.0.0.2 payload 8/8"},
    {"ipv4-other", 228, IP4("0018", "59") "02010004",
     "ipv4 other(89) 10.0.0.1>10.0.0.2 payload 4/4"},
    {"ipv6-chain", 229,
     IP6("0034", "00") "3c00 0502 0000 0100 2b00 0104 00000000 2c00 0000 00000000 "
                       "1100 0000 00000007 " UDP("000c") "74657374 00000000 00000000",
     "ipv6 extension(0) extension(60) extension(43) extension(44) udp " ENDS6},
    {"ipv6-source-route", 229,
     IP6("0024",
         "2b") "1102 0001 00000000 20010db8000000000000000000000009 " UDP("000c") "74657374",
     "ipv6 extension(43) udp 2001:db8::1:5000>2001:db8::9:6000 payload 4/4"},
    {"ipv6-home-address", 229,
     IP6("0024",
         "3c") "1102 0102 0000 c910 20010db8000000000000000000000008 " UDP("000c") "74657374",
     "ipv6 extension(60) udp 2001:db8::8:5000>2001:db8::2:6000 payload 4/4"},
    {"ipv6-jumbo", 229, IP6("0000", "00") "1100 c204 00000014 " UDP("0000") "74657374",
     "ipv6 extension(0) udp " ENDS6},
    {"ipv6-mobility", 229, IP6("0008", "87") "3b00 0100 0000 0000",
     "ipv6 extension(135) 2001:db8::1>2001:db8::2 payload 0/0"},
    {"ipv6-fragment", 229, IP6("0010", "2c") "1100 0008 00000007 7465737474657374",
     "ipv6 extension(44) 2001:db8::1>2001:db8::2 fragment 8 payload 8/8"},
    {"icmp-echo", 228, IP4("0020", "01") "0800 0000 0001 0002 74657374",
     "ipv4 icmp 10.0.0.1:8>10.0.0.2:0 payload 4/4"},
    {"icmp-unreachable", 228, IP4("0038", "01") "0303 0000 00000000" SMALL,
     "ipv4 icmp 10.0.0.1:3>10.0.0.2:3 payload 28/28"},
    {"icmpv6-solicitation", 229,
     IP6("0020", "3a") "8700 0000 00000000 20010db8000000000000000000000002 0101020000000002",
     "ipv6 icmpv6 2001:db8::1:135>2001:db8::2:136 payload 24/24"},
    {"sctp", 228, IP4("0024", "84") "1388 1770 00000001 00000000 0a000004",
     "ipv4 sctp 10.0.0.1:5000>10.0.0.2:6000 payload 4/4"},
    {"dccp", 228, IP4("0024", "21") "1388 1770 04000000 0000 0001 00000000",
     "ipv4 other(33) 10.0.0.1:5000>10.0.0.2:6000 payload 0/0"},
    {"udp-lite", 228, IP4("0020", "88") UDP("0008") "74657374", "ipv4 udp " ENDS},
    {"udp-trailer", 228, IP4("0022", "11") UDP("000c") "746573740000", "ipv4 udp " ENDS},
    {"ipip", 228, IP4("0034", "04") SMALL, "ipv4 | ipv4 udp " ENDS},
    {"6in4", 228, IP4("0048", "29") SMALL6, "ipv4 | ipv6 udp " ENDS6},
    {"4in6", 229, IP6("0020", "04") SMALL, "ipv6 | ipv4 udp " ENDS},
    {"etherip", 228, IP4("0044", "61") "3000" ETHER("0800") SMALL,
     "ipv4 etherip | ethernet ipv4 udp " ENDS},
    {"mpls-in-ip", 228, IP4("0038", "89") MPLS("000c8140") SMALL, "ipv4 | mpls ipv4 udp " ENDS},
    {"gre", 228, IP4("0038", "2f") "0000 0800" SMALL, "ipv4 gre | ipv4 udp " ENDS},
    {"gre-all", 228, IP4("0044", "2f") "b000 0800 00000000 00000001 00000002" SMALL,
     "ipv4 gre | ipv4 udp " ENDS},
    {"gre-routing", 228, IP4("0048", "2f") "4000 0800 00000000 0800 0004 0a000009 00000000" SMALL,
     "ipv4 gre | ipv4 udp " ENDS},
    {"gre-ethernet", 228, IP4("004a", "2f") "2000 6558 00000100" ETHER("0800") SMALL,
     "ipv4 gre | ethernet ipv4 udp " ENDS},
    {"gre-pptp", 228, IP4("0046", "2f") "3081 880b 0022 0001 00000001 00000002 0021" SMALL,
     "ipv4 gre | ppp ipv4 udp " ENDS},
    {"gre-wccp", 228, IP4("003c", "2f") "0000 883e 00000000" SMALL, "ipv4 gre | ipv4 udp " ENDS},
    {"erspan-1", 228, IP4("0046", "2f") "0000 88be" ETHER("0800") SMALL,
     "ipv4 gre | ethernet ipv4 udp " ENDS},
    {"erspan-2", 228, IP4("0052", "2f") "1000 88be 00000001 1000 0001 00000000" ETHER("0800") SMALL,
     "ipv4 gre | erspan ethernet ipv4 udp " ENDS},
    {"erspan-3", 228,
     IP4("005e", "2f") "1000 22eb 00000001 2000 0001 00000000 00000001 0000000000000000" ETHER(
         "0800") SMALL,
     "ipv4 gre | erspan ethernet ipv4 udp " ENDS},
    {"vxlan", 228,
     IP4("0052", "11") UDP_TO("c000", "12b5", "003e") "08000000 00000b00" ETHER("0800") SMALL,
     "ipv4 udp vxlan | ethernet ipv4 udp " ENDS},
    {"vxlan-arp", 228,
     IP4("004e", "11") UDP_TO("c000", "12b5", "003a") "08000000 00000b00" ETHER(
         "0806") "0001 0800 06 04 0001 020000000002 0a000001 000000000000 0a000002",
     "ipv4 udp vxlan | ethernet arp 10.0.0.1:49152>10.0.0.2:4789 payload 50/50"},
    {"vxlan-reserved", 228,
     IP4("0052", "11") UDP_TO("c000", "12b5", "003e") "080000ff 00000bff" ETHER("0800") SMALL,
     "ipv4 udp vxlan | ethernet ipv4 udp " ENDS},
    {"vxlan-gpe", 228, IP4("0044", "11") UDP_TO("c000", "12b6", "0030") "0c000001 00000b00" SMALL,
     "ipv4 udp vxlan | ipv4 udp " ENDS},
    {"not-vxlan", 228,
     IP4("0032", "11")
         UDP_TO("c000", "12b5", "001e") "01000000 00000b00 6f7264696e617279207472616666",
     "ipv4 udp 10.0.0.1:49152>10.0.0.2:4789 payload 22/22"},
    {"geneve", 228,
     IP4("0056", "11") UDP_TO("c000", "17c1", "0042") "0100 6558 00000b00 00000000" ETHER("0800")
         SMALL,
     "ipv4 udp geneve | ethernet ipv4 udp " ENDS},
    {"geneve-ip", 228, IP4("0044", "11") UDP_TO("c000", "17c1", "0030") "0000 0800 00000b00" SMALL,
     "ipv4 udp geneve | ipv4 udp " ENDS},
    {"gtp", 228, IP4("0044", "11") UDP_TO("0868", "0868", "0030") "30ff 0020 00000001" SMALL,
     "ipv4 udp gtp | ipv4 udp " ENDS},
    {"gtp-extension", 228,
     IP4("004c", "11")
         UDP_TO("0868", "0868", "0038") "34ff 0028 00000001 0000 00 85 01 0000 00" SMALL,
     "ipv4 udp gtp | ipv4 udp " ENDS},
    {"gtp-echo", 228, IP4("0024", "11") UDP_TO("0868", "0868", "0010") "3001 0000 00000000",
     "ipv4 udp 10.0.0.1:2152>10.0.0.2:2152 payload 8/8"},
    {"teredo", 228,
     IP4("0054", "11")
         UDP_TO("0dd8", "c000",
                "0040") "0000 1122 11223344 60000000 0008 3a 40 20010000000000000000000000000001 "
                        "20010db8000000000000000000000002 8000 0000 0001 0002",
     "ipv4 udp teredo | ipv6 icmpv6 2001::1:128>2001:db8::2:129 payload 0/0"},
    {"teredo-peers", 228,
     IP4("0050", "11")
         UDP_TO("1000", "c000", "003c") "60000000 000c 11 40 20010000 00000000 0000 efff f5fffffe "
                                        "20010db8000000000000000000000002" UDP("000c") "74657374",
     "ipv4 udp teredo | ipv6 udp 2001::efff:f5ff:fffe:5000>2001:db8::2:6000 payload 4/4"},
};
const size_t frame_sample_count = sizeof(frame_samples) / sizeof(frame_samples[0]);

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct slice frames_bytes(const char *hex)
{
    size_t digits = 0;
    uint8_t *bytes;

    for (const char *at = hex; *at; at++)
        digits += digit(*at) >= 0;
    bytes = calloc(1, digits / 2 + !digits);
    if (!bytes || digits % 2)
        abort();
    digits = 0;
    for (const char *at = hex; *at; at++) {
        if (digit(*at) < 0)
            continue;
        bytes[digits / 2] = (uint8_t)(bytes[digits / 2] << 4 | digit(*at));
        digits++;
    }
    return slice_of(bytes, digits / 2);
}

void frames_free(struct slice bytes)
{
    free((void *)bytes.data);
}

static const char *const names[] = {
    [LAYER_ETHERNET] = "ethernet",
    [LAYER_LINUX_SLL] = "sll",
    [LAYER_LINUX_SLL2] = "sll2",
    [LAYER_NULL] = "null",
    [LAYER_IEEE80211] = "wlan",
    [LAYER_RADIOTAP] = "radiotap",
    [LAYER_PPP] = "ppp",
    [LAYER_HDLC] = "hdlc",
    [LAYER_NFLOG] = "nflog",
    [LAYER_LLC] = "llc",
    [LAYER_VLAN] = "vlan",
    [LAYER_MPLS] = "mpls",
    [LAYER_PPPOE] = "pppoe",
    [LAYER_ARP] = "arp",
    [LAYER_IPV4] = "ipv4",
    [LAYER_IPV6] = "ipv6",
    [LAYER_IPV6_EXTENSION] = "extension",
    [LAYER_AH] = "ah",
    [LAYER_ESP] = "esp",
    [LAYER_GRE] = "gre",
    [LAYER_VXLAN] = "vxlan",
    [LAYER_GENEVE] = "geneve",
    [LAYER_GTP] = "gtp",
    [LAYER_TEREDO] = "teredo",
    [LAYER_TCP] = "tcp",
    [LAYER_UDP] = "udp",
    [LAYER_ICMP] = "icmp",
    [LAYER_ICMPV6] = "icmpv6",
    [LAYER_SCTP] = "sctp",
    [LAYER_OTHER] = "other",
    [LAYER_ERSPAN] = "erspan",
    [LAYER_ETHERIP] = "etherip",
    [LAYER_VNTAG] = "vntag",
    [LAYER_ETAG] = "etag",
    [LAYER_NSH] = "nsh",
    [LAYER_PBB] = "pbb",
    [LAYER_FABRICPATH] = "fabricpath",
};

static char text[2048];
static size_t text_length;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    text_length +=
        (size_t)vsnprintf(text + text_length, sizeof(text) - text_length, format, arguments);
    va_end(arguments);
}

static void say_layers(const struct packet *packet)
{
    unsigned depth = 0;

    for (unsigned i = 0; i < packet->layer_count; i++) {
        const struct packet_layer *layer = &packet->layers[i];

        for (; depth < layer->depth; depth++)
            say("| ");
        say("%s", names[layer->kind]);
        if (layer->kind == LAYER_VLAN)
            say("(%u)", layer->detail & 0xfff);
        else if (layer->kind == LAYER_IPV6_EXTENSION || layer->kind == LAYER_OTHER)
            say("(%u)", layer->detail);
        say(" ");
    }
}

static void say_end(const struct packet *packet, const struct address *address, uint16_t port)
{
    char literal[46];

    say("%.*s", (int)address_format(address, literal), literal);
    if (packet->has_ports)
        say(":%u", port);
}

const char *frames_describe(const struct packet *packet)
{
    text_length = 0;
    say_layers(packet);
    if (packet->ip_version) {
        say_end(packet, &packet->source, packet->source_port);
        say(">");
        say_end(packet, &packet->destination, packet->destination_port);
        say(" ");
    }
    if (packet->has_transport && packet->protocol == PROTOCOL_TCP)
        say("flags %03x ", packet->tcp_flags);
    if (packet->tcp_options.length)
        say("options %zu ", packet->tcp_options.length);
    if (packet->is_fragment)
        say("fragment %u%s ", packet->fragment_offset, packet->has_more_fragments ? "+" : "");
    if (packet->is_reassembled)
        say("whole ");
    if (packet->state == PACKET_MALFORMED)
        say("malformed ");
    else
        say("payload %zu/%u ", packet->payload.length, packet->payload_length);
    if (packet->state == PACKET_CUT)
        say("cut ");
    if (packet->direction != PACKET_DIRECTION_UNKNOWN)
        say("%s ", packet->direction == PACKET_INGRESS ? "ingress" : "egress");
    text[--text_length] = '\0';
    return text;
}
