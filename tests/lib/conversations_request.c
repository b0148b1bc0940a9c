/*
 * conversations_request: protocols whose client asks for TLS, before or after the server has said
 * something; see conversations.c.
 */
#include "tests/lib/conversations_db.h"

#define HELLO                                                                                      \
    "\x16\x03\x01\x00\x75\x01\x00\x00\x71\x03\x03\x05\x42\x92\xa4\xc9\xc0\x90\xc9\x6a"             \
    "\x38\x16\xd9\xfa\xd5\xaa\xa5\x75\xa5\x76\xee\x17\xdd\x98\x8b\x47\xb3\xca\x12\xf6"             \
    "\x3b\x58\xfb\x00\x00\x04\xc0\x2b\x00\xff\x01\x00\x00\x44\x00\x00\x00\x13\x00\x11"             \
    "\x00\x00\x0e\x73\x65\x72\x76\x65\x72\x2e\x65\x78\x61\x6d\x70\x6c\x65\x00\x0b\x00"             \
    "\x04\x03\x00\x01\x02\x00\x0a\x00\x04\x00\x02\x00\x1e\x00\x23\x00\x00\x00\x10\x00"             \
    "\x05\x00\x03\x02\x68\x32\x00\x16\x00\x00\x00\x17\x00\x00\x00\x0d\x00\x04\x00\x02"             \
    "\x04\x03"
#define REFUSED "\x15\x03\x03\x00\x02\x02\x28"
#define XMPP_OPEN "<stream:stream xmlns='jabber:client' to='example.org' version='1.0'>"
#define XMPP_NAMESPACE "xmlns='urn:ietf:params:xml:ns:xmpp-tls'"
#define START_TLS "1.3.6.1.4.1.1466.20037"

const struct feeder_step conversation_tls_request_xmpp[] = {
    {'>', "<?xml version='1.0'?>" XMPP_OPEN, 0},
    {'<',
     "<?xml version='1.0'?>" XMPP_OPEN "<stream:features><starttls " XMPP_NAMESPACE
     "><required/></starttls></stream:features>",
     0},
    {'>', "<starttls " XMPP_NAMESPACE "/>", 0},
    {'<', "<proceed " XMPP_NAMESPACE "></proceed>", 0},
    FEEDER_STEP('>', HELLO),
    FEEDER_STEP('<', REFUSED),
    {0, NULL, 0},
};

const struct feeder_step conversation_tls_request_ldap[] = {
    /* the root's attributes, of which there are none, and then StartTLS, once refused */
    FEEDER_STEP('>', "\x30\x25\2\1\1\x63\x20\4\0\x0a\1\0\x0a\1\0\2\1\0\2\1\0\1\1\0"
                     "\x87\x0b"
                     "objectClass"
                     "\x30\0"),
    FEEDER_STEP('<', "\x30\x0c\2\1\1\x65\7\x0a\1\0\4\0\4\0"),
    FEEDER_STEP('>', "\x30\x1d\2\1\2\x77\x18\x80\x16" START_TLS),
    FEEDER_STEP('<', "\x30\x0c\2\1\2\x78\7\x0a\1\x34\4\0\4\0"),
    FEEDER_STEP('>', "\x30\x1d\2\1\3\x77\x18\x80\x16" START_TLS),
    FEEDER_STEP('<', "\x30\x84\0\0\0\x24\2\1\3\x78\x84\0\0\0\x1b\x0a\1\0\4\0\4\0\x8a\x12"
                     "1.3.6.1.4.1.1466.2"),
    FEEDER_STEP('>', HELLO),
    FEEDER_STEP('<', REFUSED),
    {0, NULL, 0},
};

const struct feeder_step conversation_tls_request_rdp[] = {
    FEEDER_STEP('>', "\3\0\0\x29\x24\xe0\0\0\0\0\0"
                     "Cookie: mstshash=ann\r\n"
                     "\1\0\x08\0\3\0\0\0"),
    FEEDER_STEP('<', "\3\0\0\x13\x0e\xd0\0\0\x12\x34\0"
                     "\2\x1f\x08\0\1\0\0\0"),
    FEEDER_STEP('>', HELLO),
    FEEDER_STEP('<', REFUSED),
    {0, NULL, 0},
};

const struct feeder_step conversation_tls_request_irc[] = {
    {'>', "CAP LS 302\r\n", 0},
    {'<', ":irc.example CAP * LS :tls multi-prefix\r\n", 0},
    {'>', "STARTTLS\r\n", 0},
    {'<', ":irc.example 670 * :STARTTLS successful, go ahead\r\n", 0},
    FEEDER_STEP('>', HELLO),
    FEEDER_STEP('<', REFUSED),
    {0, NULL, 0},
};

/* SSL 2.0: two hellos, and the key; or a session that is known. */
#define OLD_HELLO                                                                                  \
    "\x80\x1f\1\0\2\0\6\0\0\0\x10\1\0\x80\7\0\300"                                                 \
    "0123456789abcdef"

const struct feeder_step conversation_tls_old[] = {
    FEEDER_STEP('>', OLD_HELLO),
    FEEDER_STEP('<', "\x80\x1e\4\0\1\0\2\0\0\0\3\0\x10\1\0\x80"
                     "0123456789abcdef"),
    FEEDER_STEP('>', "\x80\x12\2\1\0\x80\0\0\0\x08\0\0"
                     "ENCRYPTD"),
    FEEDER_STEP('<', "\x80\3abc"),
    FEEDER_STEP('>', "\x80\3def"),
    {0, NULL, 0},
};

const struct feeder_step conversation_tls_old_resumed[] = {
    FEEDER_STEP('>', OLD_HELLO),
    FEEDER_STEP('<', "\x80\x1b\4\1\0\0\2\0\0\0\0\0\x10"
                     "0123456789abcdef"),
    FEEDER_STEP('>', "\x80\3def"),
    {0, NULL, 0},
};

/* The header of a proxy, and behind it what anybody says. */
#define ASKED "GET /proxied HTTP/1.1\r\nHost: a.example\r\n\r\n"
#define ANSWERED "HTTP/1.1 204 No Content\r\n\r\n"

const struct feeder_step conversation_proxy_header_line[] = {
    {'>', "PROXY TCP4 192.0.2.1 192.0.2.2 1111 80\r\n" ASKED, 0},
    {'<', ANSWERED, 0},
    {0, NULL, 0},
};

const struct feeder_step conversation_proxy_header_binary[] = {
    FEEDER_STEP('>', "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f\xc0\0\2\1\xc0\0\2\2\4\x57\0\x50\4\0\0"),
    {'>', ASKED, 0},
    {'<', ANSWERED, 0},
    {0, NULL, 0},
};

/* What a client agrees on with a SOCKS proxy, and behind it the same. */
const struct feeder_step conversation_socks_5[] = {
    FEEDER_STEP('>', "\5\2\0\2"),
    FEEDER_STEP('<', "\5\2"),
    FEEDER_STEP('>', "\1\3ann\6SECRET"),
    FEEDER_STEP('<', "\1\0"),
    FEEDER_STEP('>', "\5\1\0\3\x09"
                     "a.example\0\x50"),
    FEEDER_STEP('<', "\5\0\0\1\xc0\0\2\1\x04\x38"),
    {'>', ASKED, 0},
    {'<', ANSWERED, 0},
    {0, NULL, 0},
};

const struct feeder_step conversation_socks_4a[] = {
    FEEDER_STEP('>', "\4\1\0\x50\0\0\0\1ann\0a.example\0"),
    FEEDER_STEP('<', "\0\x5a\0\0\0\0\0\0"),
    {'>', ASKED, 0},
    {'<', ANSWERED, 0},
    {0, NULL, 0},
};
