/* conversations_dns: DNS over TCP and in datagrams; see conversations.c. */
#include "tests/lib/feeder.h"

#define QUERY "\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
#define NAME "\7example\3org\0"
#define WWW "\3www\7example\3org\0"
#define TYPE_A "\0\1\0\1"
#define TYPE_MX "\0\17\0\1"
#define TYPE_AXFR "\0\374\0\1"
#define TYPE_SOA "\0\6\0\1"
#define ADDRESS(last) "\300\14" TYPE_A "\0\0\1\54\0\4\300\0\2" last
#define SOA                                                                                        \
    "\300\14" TYPE_SOA "\0\0\16\20\0\46\2ns\300\14\12hostmaster\300\14"                            \
    "\0\0\0\7\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4"

/* Two queries at once, answered in the other order; one repeated; one without an answer. */
#define STREAM_QUERY_1 "\0\41\x11\x11" QUERY WWW TYPE_A
#define STREAM_QUERY_2 "\0\35\x22\x22" QUERY NAME TYPE_MX
#define STREAM_ANSWER_1                                                                            \
    "\0\101\x11\x11\x81\x80\0\1\0\2\0\0\0\0" WWW TYPE_A ADDRESS("\1") ADDRESS("\2")
#define STREAM_ANSWER_2                                                                            \
    "\0\66\x22\x22\x85\x80\0\1\0\1\0\0\0\0" NAME TYPE_MX "\300\14" TYPE_MX                         \
    "\0\0\1\54\0\15\0\12\4mail\3nic\300\x14"

const struct feeder_step dns_stream[] = {
    FEEDER_STEP('>', STREAM_QUERY_1 STREAM_QUERY_2),
    FEEDER_STEP('<', STREAM_ANSWER_2 STREAM_ANSWER_1),
    FEEDER_STEP('>', STREAM_QUERY_1 STREAM_QUERY_1),
    FEEDER_STEP('<', STREAM_ANSWER_1),
    {0, NULL, 0},
};

/* A zone transfer in two messages; a message whose length is a lie; half a message. */
const struct feeder_step dns_transfer[] = {
    FEEDER_STEP('>', "\0\35\x33\x33" QUERY NAME TYPE_AXFR),
    FEEDER_STEP('<', "\0\157\x33\x33\x84\x00\0\1\0\3\0\0\0\0" NAME TYPE_AXFR SOA ADDRESS("\1")
                         ADDRESS("\2") "\0\71\x33\x33\x84\x00\0\0\0\1\0\0\0\0"
                                       "\7example\3org\0" TYPE_SOA
                                       "\0\0\16\20\0\26\0\0\0\0\0\7\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0"
                                       "\4"),
    FEEDER_STEP('>', "\0\35\x44\x44" QUERY NAME TYPE_MX),
    FEEDER_STEP('<', "\0\35\x44\x44\x81\x83\xff\xff\0\1\0\0\0\0" NAME TYPE_MX),
    FEEDER_STEP('>', "\0\35\x55\x55" QUERY),
    {'{', NULL, 0},
    {'}', NULL, 0},
    {0, NULL, 0},
};

/* Repeated, unasked, broken, with EDNS; names that loop and point ahead. */
const struct feeder_step dns_datagrams[] = {
    {'D', NULL, 0},
    FEEDER_STEP('>', "\x11\x11" QUERY WWW TYPE_A),
    FEEDER_STEP('>', "\x11\x11" QUERY WWW TYPE_A),
    FEEDER_STEP('>', "\x12\x12\x01\x20\0\1\0\0\0\0\0\1" NAME TYPE_MX
                     "\0\0\51\4\320\0\0\x80\0\0\27\0\10\0\7\0\1\30\0\300\0\2\0\12\0\10"
                     "cookie88"),
    FEEDER_STEP('<', "\x11\x11\x81\x80\0\1\0\1\0\0\0\0" WWW TYPE_A ADDRESS("\1")),
    FEEDER_STEP('<', "\x99\x99\x81\x80\0\1\0\1\0\0\0\0" WWW TYPE_A ADDRESS("\1")),
    FEEDER_STEP('<', "\x12\x12\x81\x83\0\1\0\0\0\1\0\1" NAME TYPE_MX SOA
                     "\0\0\51\2\0\0\0\0\0\0\27\0\17\0\23\0\25not authoritative"),
    FEEDER_STEP('>', "\x13\x13" QUERY "\300\14" TYPE_A),
    FEEDER_STEP('>', "\x14\x14" QUERY "\300\22" TYPE_A WWW),
    FEEDER_STEP('>', "\x15"),
    FEEDER_STEP('<', "\x13\x13\x81\x81\0\0\0\0\0\0\0\0"),
    {0, NULL, 0},
};
