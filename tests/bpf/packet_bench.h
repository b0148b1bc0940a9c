/*
 * packet_bench.h: the packet programs of TC and XDP, loaded, and made-up packets through them by
 * BPF_PROG_TEST_RUN.
 */
#pragma once
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <linux/types.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "shared/event.h"
#include "shared/packet.h"
#include "shared/settings.h"
#include "weir.skel.h"

enum { PACKET_MAXIMUM = 2048, FLOWS_MAXIMUM = 64, HOOKS = 2 };
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32, CWR = 128 };

struct packet {
    uint8_t bytes[PACKET_MAXIMUM];
    size_t length;
};

struct bench {
    struct weir *skeleton;
    struct ring_buffer *ring;
    int programs[HOOKS]; /* weir_tc_in, weir_xdp */
    unsigned frames;     /* that came up since the last packet */
    size_t captured;     /* bytes of the last one */
    uint8_t bytes[PACKET_MAXIMUM];
};

static struct bench bench;

/* --- making packets ------------------------------------------------------------------------ */

static inline void put(struct packet *packet, const void *bytes, size_t length)
{
    assert_true(packet->length + length <= sizeof(packet->bytes));
    memcpy(packet->bytes + packet->length, bytes, length);
    packet->length += length;
}

static inline void put8(struct packet *packet, unsigned byte)
{
    put(packet, &(uint8_t){(uint8_t)byte}, 1);
}

static inline void put16(struct packet *packet, unsigned word)
{
    put8(packet, word >> 8);
    put8(packet, word);
}

static inline void put32(struct packet *packet, uint32_t word)
{
    put16(packet, word >> 16);
    put16(packet, word & 0xffff);
}

static inline void put_ethernet(struct packet *packet, unsigned type)
{
    packet->length = 0;
    put(packet, "\x02\0\0\0\0\1\x02\0\0\0\0\2", 12);
    put16(packet, type);
}

/* 10.0.0.1 to 10.0.0.2, or back. */
static inline void put_ipv4(struct packet *packet, unsigned options, unsigned protocol,
                            size_t payload, unsigned fragment, bool is_back)
{
    put8(packet, 0x45 + options);
    put8(packet, 0);
    put16(packet, (unsigned)(20 + 4 * options + payload));
    put16(packet, 77);
    put16(packet, fragment);
    put8(packet, 64);
    put8(packet, protocol);
    put16(packet, 0);
    put32(packet, is_back ? 0x0a000002 : 0x0a000001);
    put32(packet, is_back ? 0x0a000001 : 0x0a000002);
    for (unsigned i = 0; i < options; i++)
        put32(packet, 0x01010101);
}

static inline void put_ipv6(struct packet *packet, unsigned next, size_t payload)
{
    put32(packet, 0x60000000);
    put16(packet, (unsigned)payload);
    put8(packet, next);
    put8(packet, 64);
    put(packet, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2", 32);
}

static inline void put_extension(struct packet *packet, unsigned next, unsigned extra)
{
    put8(packet, next);
    put8(packet, extra);
    for (unsigned i = 0; i < 6 + 8 * extra; i++)
        put8(packet, 0);
}

static inline void put_tcp(struct packet *packet, uint32_t sequence, unsigned flags,
                           const char *payload, bool is_back)
{
    put16(packet, is_back ? 80 : 4000);
    put16(packet, is_back ? 4000 : 80);
    put32(packet, sequence);
    put32(packet, 1);
    put16(packet, 0x5000 | flags);
    put16(packet, 1000);
    put32(packet, 0);
    put(packet, payload, strlen(payload));
}

static inline void put_udp(struct packet *packet, unsigned from, unsigned to, size_t payload)
{
    put16(packet, from);
    put16(packet, to);
    put16(packet, (unsigned)(8 + payload));
    put16(packet, 0);
    for (size_t i = 0; i < payload; i++)
        put8(packet, 'x');
}

static inline void make_tcp(struct packet *packet, uint32_t sequence, unsigned flags,
                            const char *payload, bool is_back)
{
    put_ethernet(packet, 0x0800);
    put_ipv4(packet, 0, 6, 20 + strlen(payload), 0x4000, is_back);
    put_tcp(packet, sequence, flags, payload, is_back);
}

/* --- running them -------------------------------------------------------------------------- */

static inline int on_event(void *context, void *record, size_t size)
{
    const struct weir_event_frame *event = record;

    (void)context;
    assert_true(size >= sizeof(*event));
    if (event->type == WEIR_PACKET_FRAME) {
        assert_int_equal(size, sizeof(*event) + event->captured);
        bench.frames++;
        bench.captured = event->captured;
        assert_true(event->captured <= sizeof(bench.bytes));
        memcpy(bench.bytes, event + 1, event->captured);
    }
    return 0;
}

static inline void run(unsigned hook, const struct packet *packet)
{
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet->bytes,
                .data_size_in = (__u32)packet->length, .repeat = 1);
    int result;

    bench.frames = 0;
    result = bpf_prog_test_run_opts(bench.programs[hook], &options);
    if (result == -EINVAL) /* the kernel runs no packet without an Ethernet header */
        return;
    assert_int_equal(result, 0);
    assert_int_equal(options.retval, hook == 0 ? (__u32)-1 : 2); /* TC_ACT_UNSPEC, XDP_PASS */
    ring_buffer__consume(bench.ring);
}

struct found {
    size_t count;
    struct weir_flow_key keys[FLOWS_MAXIMUM];
    struct weir_flow flows[FLOWS_MAXIMUM];
};

static inline void flows_take(struct found *found)
{
    int table = bpf_map__fd(bench.skeleton->maps.weir_packet_flows);
    struct weir_flow_key key;

    found->count = 0;
    while (found->count < FLOWS_MAXIMUM && bpf_map_get_next_key(table, NULL, &key) == 0) {
        found->keys[found->count] = key;
        assert_int_equal(bpf_map_lookup_elem(table, &key, &found->flows[found->count]), 0);
        assert_int_equal(bpf_map_delete_elem(table, &key), 0);
        found->count++;
    }
}

/* The one flow that the packets have made, at each hook. */
static inline void check_one_flow(const struct packet *packets, size_t count, unsigned protocol,
                                  unsigned low_port, unsigned high_port, unsigned vlan)
{
    for (unsigned hook = 0; hook < HOOKS; hook++) {
        static struct found found;

        for (size_t i = 0; i < count; i++)
            run(hook, &packets[i]);
        flows_take(&found);
        assert_int_equal(found.count, 1);
        assert_int_equal(found.keys[0].protocol, protocol);
        assert_int_equal(found.keys[0].low_port, low_port);
        assert_int_equal(found.keys[0].high_port, high_port);
        assert_int_equal(found.keys[0].vlan, vlan);
        assert_int_equal(found.flows[0].sides[0].packets + found.flows[0].sides[1].packets, count);
    }
}

/* As weir run does, without the filters in front of the table: every name is looked up. */
static inline void names_fill(void)
{
    static const struct {
        const char *name;
        __u32 manner;
    } names[] = {
        {"authorization", WEIR_MANNER_CREDENTIALS},
        {"cookie", WEIR_MANNER_COOKIE},
        {"set-cookie", WEIR_MANNER_SET_COOKIE},
        {"x-api-key", WEIR_MANNER_WHOLE},
        {"bearer", WEIR_MANNER_SCHEME},
    };

    memset(&bench.skeleton->bss->weir_name_filter, 0xff,
           sizeof(bench.skeleton->bss->weir_name_filter));
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct weir_name key = {{0}};

        memcpy(key.bytes, names[i].name, strlen(names[i].name));
        bpf_map__update_elem(bench.skeleton->maps.weir_names, &key, sizeof(key), &names[i].manner,
                             sizeof(names[i].manner), BPF_ANY);
    }
}

static inline void masker_set(const struct bpf_map *map, const struct bpf_program *program)
{
    __u32 first = 0, descriptor = (__u32)bpf_program__fd(program);

    bpf_map__update_elem(map, &first, sizeof(first), &descriptor, sizeof(descriptor), BPF_ANY);
}

static inline int bench_begin(void **state)
{
    struct bpf_program *program;
    struct bpf_map *map;

    (void)state;
    bench.skeleton = weir__open();
    if (!bench.skeleton)
        return -1;
    bench.skeleton->rodata->weir_packet_settings.snap = 1024;
    bench.skeleton->rodata->weir_packet_settings.message_bytes = 1024;
    bench.skeleton->rodata->weir_packet_settings.with_streams = 1;
    bench.skeleton->rodata->weir_packet_settings.with_masking = 1;
    bench.skeleton->rodata->weir_settings.with_masking = 1;
    bpf_object__for_each_program(program, bench.skeleton->obj)
        bpf_program__set_autoload(program, program == bench.skeleton->progs.weir_tc_in ||
                                               program == bench.skeleton->progs.weir_tc_mask ||
                                               program == bench.skeleton->progs.weir_xdp ||
                                               program == bench.skeleton->progs.weir_xdp_mask);
    bpf_object__for_each_map(map, bench.skeleton->obj) if (!bpf_map__is_internal(map))
        bpf_map__set_autocreate(map, strncmp(bpf_map__name(map), "weir_packet_", 12) == 0 ||
                                         strcmp(bpf_map__name(map), "weir_names") == 0 ||
                                         strcmp(bpf_map__name(map), "weir_work") == 0);
    if (weir__load(bench.skeleton))
        return -1;
    names_fill();
    bench.skeleton->bss->weir_packet_filter.is_open = 1;
    masker_set(bench.skeleton->maps.weir_packet_masker, bench.skeleton->progs.weir_tc_mask);
    masker_set(bench.skeleton->maps.weir_packet_masker_xdp, bench.skeleton->progs.weir_xdp_mask);
    bench.programs[0] = bpf_program__fd(bench.skeleton->progs.weir_tc_in);
    bench.programs[1] = bpf_program__fd(bench.skeleton->progs.weir_xdp);
    bench.ring =
        ring_buffer__new(bpf_map__fd(bench.skeleton->maps.weir_packet_ring), on_event, NULL, NULL);
    return bench.ring ? 0 : -1;
}

static inline int bench_end(void **state)
{
    (void)state;
    ring_buffer__free(bench.ring);
    weir__destroy(bench.skeleton);
    return 0;
}
