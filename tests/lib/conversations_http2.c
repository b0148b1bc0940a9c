/* conversations of HTTP/2 (RFC 9113), upgrades to it and WebSockets: see conversations.c. */
#include "tests/lib/feeder.h"

/* A frame's header: length and stream fit a byte. */
#define FRAME(length, type, flags, stream) "\x00\x00" length type flags "\x00\x00\x00" stream
#define DATA "\x00"
#define HEADERS "\x01"
#define PRIORITY "\x02"
#define RST_STREAM "\x03"
#define SETTINGS "\x04"
#define PUSH_PROMISE "\x05"
#define PING "\x06"
#define GOAWAY "\x07"
#define WINDOW_UPDATE "\x08"
#define CONTINUATION "\x09"
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define STEP(way, text)                                                                            \
    {                                                                                              \
        way, text, sizeof(text) - 1                                                                \
    }

/* clang-format off */
const struct feeder_step http2_plain[] = {
    STEP('>',
     PREFACE
     FRAME("\x06", SETTINGS, "\x00", "\x00")
     "\x00\x01\x00\x00 \x00"
     FRAME("\x04", WINDOW_UPDATE, "\x00", "\x00")
     "\x00\x00\xff\xff"
     FRAME("\x40", HEADERS, "\x05", "\x01")
     "\x82\x86"
     "D\x08/a/b\x3fx=1"
     "A\x10" "example.org:8080"
     "z\x09probe/1.0"
     "`\x03" "a=b"
     "@\x0cx-request-id\x03one"),
    STEP('<',
     FRAME("\x06", SETTINGS, "\x00", "\x00")
     "\x00\x03\x00\x00\x00" "d"
     FRAME("\x00", SETTINGS, "\x01", "\x00")
     FRAME("\x05", HEADERS, "\x04", "\x01")
     "H\x03" "103"
     FRAME("\x1b", HEADERS, "\x04", "\x01")
     "\x88"
     "\x0f\r\x01" "5"
     "@\x06server\x01s"
     "\x0f(\x03" "a=1"
     "\x0f(\x03" "b=2"
     FRAME("\x09", DATA, "\x08", "\x01")
     "\x03"
     "hello"
     "\x00\x00\x00"
     FRAME("\x09", HEADERS, "\x05", "\x01")
     "\x10\x03x-t\x03yes"),
    STEP('>',
     FRAME("\x00", SETTINGS, "\x01", "\x00")
     FRAME("\x08", PING, "\x00", "\x00")
     "12345678"
     FRAME("\x05", PRIORITY, "\x00", "\x03")
     "\x00\x00\x00\x00\x10"
     FRAME("\x0b", HEADERS, "\x28", "\x03")
     "\x02"
     "\x00\x00\x00\x00\x07"
     "\x83\x86\x84"
     "\x00\x00"
     FRAME("\x02", CONTINUATION, "\x00", "\x03")
     "\xc1"
     "\x0f"
     FRAME("\x06", CONTINUATION, "\x04", "\x03")
     "\r\x02" "10"
     "\xbf\xbe"
     FRAME("\x05", DATA, "\x00", "\x03")
     "abcde"
     FRAME("\x00", DATA, "\x00", "\x03")
     ""
     FRAME("\x05", DATA, "\x00", "\x03")
     "fghij"
     FRAME("\x09", HEADERS, "\x05", "\x03")
     "\x00\x05x-sum\x01" "1"),
    STEP('<',
     FRAME("\x08", PING, "\x01", "\x00")
     "12345678"
     FRAME("\x02", HEADERS, "\x05", "\x03")
     "\x89\xbe"),
    STEP('>',
     FRAME("\x0d", HEADERS, "\x05", "\x05")
     " \x3f" "a"
     "\x82\x86\x84"
     "\x01\x85"
     "\x91\xd2\x9a\xd1\x7f"),
    STEP('<',
     FRAME("\x01", HEADERS, "\x05", "\x05")
     "\x8d"),
    {0, NULL, 0},
};

/* gRPC-Web in base64, and server-sent events. */
const struct feeder_step http2_texts[] = {
    STEP('>',
     PREFACE
     FRAME("\x00", SETTINGS, "\x00", "\x00")
     FRAME("\x28", HEADERS, "\x04", "\x01")
     "\x83\x86"
     "D\x06/s.S/M"
     "A\x01s"
     "_\x19" "application/grpc-web-text"
     FRAME("\x07", HEADERS, "\x05", "\x03")
     "\x82\x86"
     "D\x02/e"
     "\xc0"
     FRAME("\x0c", DATA, "\x01", "\x01")
     "AAAAAANhYmM="),
    STEP('<',
     FRAME("\x00", SETTINGS, "\x00", "\x00")
     FRAME("\x1c", HEADERS, "\x04", "\x01")
     "\x88"
     "_\x19" "application/grpc-web-text"
     FRAME("\x14", HEADERS, "\x04", "\x03")
     "\x88"
     "_\x11" "text/event-stream"
     FRAME("\x14", DATA, "\x01", "\x01")
     "AAAAAANhYmM=gAAAAAA="
     FRAME("\x25", DATA, "\x01", "\x03")
     ":c\n\ndata: a\n\ndata\r\n\r\nid: 1\n\ndata: cut"),
    {0, NULL, 0},
};

const struct feeder_step http2_grpc[] = {
    STEP('>',
     PREFACE
     FRAME("\x00", SETTINGS, "\x00", "\x00")
     FRAME("\x3d", HEADERS, "\x04", "\x01")
     "\x83\x86"
     "D\x0e/shop.Cart/Add"
     "A\x04shop"
     "_\x16" "application/grpc+p"
     "roto"
     "@\x02te\x08trailers"
     FRAME("\x16", HEADERS, "\x04", "\x03")
     "\x83\x86"
     "D\x0f/shop.Cart/List"
     "\xc1\xc0\xbf"
     FRAME("\x0d", DATA, "\x00", "\x01")
     "\x00\x00\x00\x00\x05" "first\x00\x00\x00"
     FRAME("\x05", DATA, "\x01", "\x03")
     "\x00\x00\x00\x00\x00"),
    STEP('<',
     FRAME("\x00", SETTINGS, "\x00", "\x00")
     FRAME("\x00", SETTINGS, "\x01", "\x00")
     FRAME("\x13", HEADERS, "\x04", "\x03")
     "\x88"
     "_\x10" "application/grpc"
     FRAME("\x06", DATA, "\x00", "\x03")
     "\x00\x00\x00\x00\x03o"),
    STEP('>',
     FRAME("\x00", SETTINGS, "\x01", "\x00")
     FRAME("\x05", DATA, "\x01", "\x01")
     "\x00\x03sec"),
    STEP('<',
     FRAME("\x0b", DATA, "\x00", "\x03")
     "ne\x00\x00\x00\x00\x04twoo"
     FRAME("\x22", HEADERS, "\x05", "\x01")
     "\x88\xbe"
     "@\x0bgrpc-status\x01" "7"
     "@\x0cgrpc-message\x02no"
     FRAME("\x0f", HEADERS, "\x05", "\x03")
     "\x00\x0bgrpc-status\x01" "0"),
    STEP('>',
     FRAME("\x17", HEADERS, "\x04", "\x05")
     "\x83\x86"
     "D\x10/shop.Cart/Watch"
     "\xc2\xc1\xc0"
     FRAME("\x06", DATA, "\x00", "\x05")
     "\x00\x00\x00\x00\x01x"),
    STEP('<',
     FRAME("\x02", HEADERS, "\x04", "\x05")
     "\x88\xc0"),
    STEP('>',
     FRAME("\x04", RST_STREAM, "\x00", "\x05")
     "\x00\x00\x00\x08"),
    {0, NULL, 0},
};

const struct feeder_step http2_joined[] = {
    STEP('<',
     FRAME("\x09", HEADERS, "\x04", "\x2b")
     "\x88\xbe"
     "v\x05nginx"
     FRAME("\x04", DATA, "\x01", "\x2b")
     "tail"),
    STEP('>',
     FRAME("\x04", WINDOW_UPDATE, "\x00", "\x00")
     "\x00\x00\x10\x00"
     FRAME("\x14", HEADERS, "\x05", "\x2d")
     "\x82\x87\xc5"
     "D\x06/later"
     "@\x05x-new\x01" "1"
     FRAME("\x09", HEADERS, "\x05", "\x2f")
     "\x82\x87\xbf\xbe\xc8"
     "\x7f\n\x01v"),
    STEP('<',
     FRAME("\x03", HEADERS, "\x05", "\x2d")
     "\x88\xbe\xc0"
     FRAME("\x02", HEADERS, "\x05", "\x2f")
     "\xc2\xbe"),
    {0, NULL, 0},
};

const struct feeder_step http2_others[] = {
    STEP('>',
     PREFACE
     FRAME("\x00", SETTINGS, "\x00", "\x00")
     FRAME("\x06", HEADERS, "\x05", "\x01")
     "\x82\x86\x84"
     "A\x01" "a"),
    STEP('<',
     FRAME("\x06", SETTINGS, "\x00", "\x00")
     "\x00\x08\x00\x00\x00\x01"
     FRAME("\x00", SETTINGS, "\x01", "\x00")
     FRAME("\x06", PUSH_PROMISE, "\x00", "\x01")
     "\x00\x00\x00\x02"
     "\x82\x86"
     FRAME("\x10", CONTINUATION, "\x04", "\x01")
     "D\x0b/pushed.css"
     "A\x01" "a"
     FRAME("\x01", HEADERS, "\x04", "\x01")
     "\x88"
     FRAME("\x01", HEADERS, "\x05", "\x02")
     "\x88"
     FRAME("\x04", DATA, "\x01", "\x01")
     "page"),
    STEP('>',
     FRAME("\x27", HEADERS, "\x04", "\x03")
     "B\x07" "CONNECT"
     "@\x09:protocol\x09websocke"
     "t"
     "\x86"
     "D\x05/chat"
     "\xc1"),
    STEP('<',
     FRAME("\x01", HEADERS, "\x04", "\x03")
     "\x88"),
    STEP('>',
     FRAME("\x11", DATA, "\x00", "\x03")
     "\x81\x82\x01\x02\x03\x04ik\x82\x86\x05\x06\x07\x08" "ddd"
     FRAME("\x0b", DATA, "\x00", "\x03")
     "l``\x88\x82\x01\x01\x01\x01\x02\xe9"),
    STEP('<',
     FRAME("\x09", DATA, "\x00", "\x03")
     "\x81\x05hello\x89\x00"
     FRAME("\x04", DATA, "\x01", "\x03")
     "\x88\x02\x03\xe8"),
    STEP('>',
     FRAME("\x00", DATA, "\x01", "\x03")
     ""
     FRAME("\x04", HEADERS, "\x05", "\x05")
     "\x82\x86\x84\xc2"
     FRAME("\x14", HEADERS, "\x05", "\x07")
     "B\x07" "CONNECT"
     "A\x09proxy:443"
     FRAME("\x0b", GOAWAY, "\x00", "\x00")
     "\x00\x00\x00\x00\x00\x00\x00\x0b" "bye"),
    {0, NULL, 0},
};

const struct feeder_step http2_upgrade[] = {
    STEP('>', "GET /up?x HTTP/1.1\r\nHost: a:81\r\nConnection: Upgrade, HTTP2-Settings\r\n"
              "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"),
    STEP('<', "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"),
    STEP('>',
     PREFACE
     FRAME("\x00", SETTINGS, "\x00", "\x00")
     FRAME("\x06", HEADERS, "\x05", "\x03")
     "\x82\x86\x84"
     "A\x01" "a"),
    STEP('<',
     FRAME("\x00", SETTINGS, "\x00", "\x00")
     FRAME("\x00", SETTINGS, "\x01", "\x00")
     FRAME("\x01", HEADERS, "\x04", "\x01")
     "\x88"
     FRAME("\x08", DATA, "\x01", "\x01")
     "upgraded"
     FRAME("\x01", HEADERS, "\x05", "\x03")
     "\x8d"),
    {0, NULL, 0},
};

/* Small enough a header to be seen twice: the answer of a server that speaks HTTP/1 only. */
const struct feeder_step http2_refused[] = {
    STEP('>',
     PREFACE
     FRAME("\x00", SETTINGS, "\x00", "\x00")),
    STEP('<', "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    {0, NULL, 0},
};

const struct feeder_step websocket_chat[] = {
    STEP('>', "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
    STEP('<', "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n\r\n" "\x81\x05hello"),
    STEP('>', "\x81\x90\x01\x02\x03\x04" "FGW$.\x22KPUR,5/3"
     "\x0e\x0e\x82\x80\x01\x02\x03\x04"),
    STEP('<', "\x82~\x00\xc8pppppppppppppppp"
     "pppppppppppppppppppp"
     "pppppppppppppppppppp"
     "pppppppppppppppppppp"
     "pppppppppppppppppppp"
     "pppppppppppppppppppp"
     "pppppppppppppppppppp"
     "pppppppppppppppppppp"
     "pppppppppppppppppppp"
     "pppppppppppppppppppp"
     "pppp\x88\x05\x03\xe9" "bye"),
    STEP('>', "\x88\x82\x01\x02\x03\x04\x02\xeb"),
    {0, NULL, 0},
};
/* clang-format on */
