/* conversations_starttls: text protocols that agree on TLS; see conversations.c. */
#include "tests/lib/conversations_db.h"

/* A ClientHello for server.example. */
#define HELLO                                                                                      \
    FEEDER_STEP('>',                                                                               \
                "\x16\x03\x01\x00\x75\x01\x00\x00\x71\x03\x03\x05\x42\x92\xa4\xc9\xc0\x90\xc9\x6a" \
                "\x38\x16\xd9\xfa\xd5\xaa\xa5\x75\xa5\x76\xee\x17\xdd\x98\x8b\x47\xb3\xca\x12\xf6" \
                "\x3b\x58\xfb\x00\x00\x04\xc0\x2b\x00\xff\x01\x00\x00\x44\x00\x00\x00\x13\x00\x11" \
                "\x00\x00\x0e\x73\x65\x72\x76\x65\x72\x2e\x65\x78\x61\x6d\x70\x6c\x65\x00\x0b\x00" \
                "\x04\x03\x00\x01\x02\x00\x0a\x00\x04\x00\x02\x00\x1e\x00\x23\x00\x00\x00\x10\x00" \
                "\x05\x00\x03\x02\x68\x32\x00\x16\x00\x00\x00\x17\x00\x00\x00\x0d\x00\x04\x00\x02" \
                "\x04\x03")

const struct feeder_step conversation_starttls_smtp[] = {
    {'<', "220-mail.example ESMTP\r\n220 ready\r\n", 0},
    {'>', "EHLO a.example\r\n", 0},
    {'<', "250-mail.example\r\n250 STARTTLS\r\n", 0},
    {'>', "STARTTLS\r\n", 0},
    {'<', "220 go ahead\r\n", 0},
    HELLO,
    FEEDER_STEP('<', "\x15\x03\x03\x00\x02\x02\x28"),
    {0, NULL, 0},
};

const struct feeder_step conversation_starttls_imap[] = {
    {'<', "* OK [CAPABILITY IMAP4rev1] ready\r\n", 0},
    {'>', "a1 CAPABILITY\r\n", 0},
    {'<', "* CAPABILITY IMAP4rev1 STARTTLS\r\na1 OK done\r\n", 0},
    {'>', "a2 STARTTLS\r\n", 0},
    {'<', "a2 OK begin\r\n", 0},
    HELLO,
    FEEDER_STEP('<', "\x15\x03\x03\x00\x02\x02\x28"),
    {0, NULL, 0},
};

const struct feeder_step conversation_starttls_pop3[] = {
    {'<', "+OK pop3 ready\r\n", 0},
    {'>', "STLS\r\n", 0},
    {'<', "-ERR no\r\n", 0},
    {'>', "stls\r\n", 0},
    {'<', "+OK\r\n", 0},
    HELLO,
    FEEDER_STEP('<', "\x15\x03\x03\x00\x02\x02\x28"),
    {0, NULL, 0},
};

const struct feeder_step conversation_starttls_nntp[] = {
    {'<', "200 news.example ready\r\n", 0},
    {'>', "CAPABILITIES\r\n", 0},
    {'<', "101 capabilities\r\nVERSION 2\r\nSTARTTLS\r\n.\r\n", 0},
    {'>', "STARTTLS\r\n", 0},
    {'<', "382 go on\r\n", 0},
    HELLO,
    FEEDER_STEP('<', "\x15\x03\x03\x00\x02\x02\x28"),
    {0, NULL, 0},
};

const struct feeder_step conversation_starttls_sieve[] = {
    {'<', "\"IMPLEMENTATION\" \"example\"\r\n\"STARTTLS\"\r\nOK\r\n", 0},
    {'>', "starttls\r\n", 0},
    {'<', "NO \"not now\"\r\n", 0},
    {'>', "STARTTLS\r\n", 0},
    {'<', "OK \"go on\"\r\n", 0},
    HELLO,
    FEEDER_STEP('<', "\x15\x03\x03\x00\x02\x02\x28"),
    {0, NULL, 0},
};
