/* conversations: what the tests that run over all parsers play. A parser adds its own here. */
#include "tests/lib/conversations_db.h"

extern const struct feeder_step http2_plain[], http2_grpc[], http2_texts[], http2_joined[],
    http2_others[];
extern const struct feeder_step http2_upgrade[], http2_refused[], websocket_chat[];
extern const struct feeder_step dns_stream[], dns_transfer[], dns_datagrams[];
extern const struct feeder_step tls_1_2[], tls_1_3[], tls_alert[], tls_old[];
extern const struct feeder_step quic_1[], quic_2[], quic_closed[];

static const struct feeder_step http1_plain[] = {
    {'>',
     "GET /a/b?x=1&y=2 HTTP/1.1\r\nHost: example.org:8080\r\nUser-Agent: probe/1.0\r\n"
     "Accept: */*\r\nX-Request-ID: one\r\nCookie: a=b\r\n\r\n",
     0},
    {'<',
     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: s\r\nSet-Cookie: a=1\r\n"
     "Set-Cookie: b=2\r\n\r\nhello",
     0},
    {'>', "HEAD /second HTTP/1.1\r\nHost: example.org\r\n\r\n", 0},
    {'<', "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", 0},
    {'>', "GET /third HTTP/1.1\r\nHost: example.org\r\nIf-None-Match: x\r\n\r\n", 0},
    {'<', "HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 77\r\n\r\n", 0},
    {0, NULL, 0},
};

static const struct feeder_step http1_pipeline[] = {
    {'>',
     "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n"
     "GET / HTTP/"
     "GET /2 HTTP/1.1\r\nHost: b\r\n\r\nDELETE /3 HTTP/1.1\r\nHost: c\r\n\r\n"
     "GET /4 HTTP/1.1\r\nHost: d\r\n\r\n",
     0},
    {'<',
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
     "HTTP/1.1 201 Created\r\nContent-Length: 3\r\n\r\n201"
     "HTTP/1.1 204 No Content\r\n\r\n"
     "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
     0},
    {0, NULL, 0},
};

static const struct feeder_step http1_chunked[] = {
    {'>',
     "PUT /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
     "5;name=value\r\nhello\r\n1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nX-T: yes\r\n"
     "X-T: again\r\n\r\n",
     0},
    {'<',
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
     "3\r\nabc\r\n00000000\r\n\r\n",
     0},
    {'>', "GET /next HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {'<', "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nuntil the end of the connection", 0},
    {'{', NULL, 0},
    {'}', NULL, 0},
    {0, NULL, 0},
};

static const struct feeder_step http1_events[] = {
    {'>', "GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n", 0},
    {'<',
     "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream;charset=utf-8\r\n"
     "Transfer-Encoding: chunked\r\n\r\n"
     "d\r\ndata: one\n\n: \r\n16\r\ncomment\n\nevent: e\r\ndat\r\n7\r\na\r\n\r\nda\r\n0\r\n\r\n"
     "HTTP/1.1 200 OK\r\ncontent-type: Text/Event-Stream\r\n\r\n"
     "retry: 3\n\ndata: a\ndata: b\n\nid: 7\ndata\n\ndata: never dispatched\n",
     0},
    {'{', NULL, 0},
    {'}', NULL, 0},
    {0, NULL, 0},
};

static const struct feeder_step http1_grpc_web[] = {
    {'>',
     "POST /p.S/M HTTP/1.1\r\nHost: h\r\nContent-Type: application/grpc-web-text\r\n"
     "Content-Length: 12\r\n\r\nAAAAAAJ4eQ==",
     0},
    {'<',
     "HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web-text+proto\r\n"
     "Transfer-Encoding: chunked\r\n\r\n"
     "c\r\nAAAAAAJ4eQ==\r\n38\r\ngAAAACRncnBjLXN0YXR1czogNQ0KZ3JwYy1tZXNzYWdlOiBnb25lDQo="
     "\r\n0\r\n\r\n",
     0},
    {0, NULL, 0},
};

static const struct feeder_step http1_upgrade[] = {
    {'>', "CONNECT proxy.example:443 HTTP/1.1\r\nHost: proxy.example:443\r\n\r\n", 0},
    {'<', "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno", 0},
    {'>', "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 0},
    {'<', "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x02hi", 0},
    {'>', "\x81\x85GET / HTTP/1.1\r\n\r\n", 0},
    {0, NULL, 0},
};

static const struct feeder_step http1_odd[] = {
    {'>',
     "\r\n\nGET /odd HTTP/1.1\nHost:a\nX-Fold: one\r\n\ttwo\r\nBad Name: x\r\nSpace : y\r\n"
     "nocolon\r\nEmpty:\r\n  \r\nX:\t z \t\r\n\r\n",
     0},
    {'<', "HTTP/1.1 200\r\nContent-Length: 1, 1\r\n\r\nx", 0},
    {'>', "GET /half HTTP/1.1\r\nHost: b\r\nX-Cut: ab", 0},
    {0, NULL, 0},
};

const struct conversation conversations[] = {
    {"http1", "plain", http1_plain},
    {"http1", "pipeline", http1_pipeline},
    {"http1", "chunked", http1_chunked},
    {"http1", "upgrade", http1_upgrade},
    {"http1", "events", http1_events},
    {"http1", "grpc_web", http1_grpc_web},
    {"http1", "odd", http1_odd},
    {"dns", "stream", dns_stream},
    {"dns", "transfer", dns_transfer},
    {"dns", "datagrams", dns_datagrams},
#define CONVERSATION(parser, name) {#parser, #name, conversation_##parser##_##name},
#include "tests/lib/conversations_db.def"
#undef CONVERSATION
    {"tls", "1.2", tls_1_2},
    {"tls", "1.3", tls_1_3},
    {"tls", "alert", tls_alert},
    {"tls", "old", tls_old},
    {"quic", "1", quic_1},
    {"quic", "2", quic_2},
    {"quic", "closed", quic_closed},
    {"http2", "plain", http2_plain},
    {"http2", "grpc", http2_grpc},
    {"http2", "texts", http2_texts},
    {"http2", "joined in the middle", http2_joined},
    {"http2", "push, WebSocket, GOAWAY", http2_others},
    {"http2", "upgrade from HTTP/1.1", http2_upgrade},
    {"http2", "refused in HTTP/1.1", http2_refused},
    {"websocket", "chat", websocket_chat},
    {NULL, NULL, NULL},
};
