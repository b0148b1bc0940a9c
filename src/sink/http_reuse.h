/*
 * http_reuse: connections in clear that speak HTTP/2 from their first byte (RFC 9113 §3.3), used
 * for more than one request. libcurl before 8.1 cannot do that when it is told that the server
 * knows HTTP/2: it sends the preface again. So for further requests it is told of HTTP/2 over TLS
 * only, which leaves an open connection as it is, and it is kept from opening another one, which
 * would speak HTTP/1.1. Private to sink/.
 */
#pragma once
#include <curl/curl.h>
#include <stdbool.h>

struct http_reuse {
    bool is_needed;  /* by this libcurl and this URL */
    bool is_open;    /* the last request left a connection behind */
    bool is_bound;   /* no other one may be opened */
    bool is_refused; /* one was wanted all the same: the old one had gone */
};

/* For a handle whose requests are HTTP/2 without negotiation. `reuse` lives as long as it. */
void http_reuse_begin(struct http_reuse *reuse, CURL *curl, const char *url);
/* As curl_easy_perform. */
CURLcode http_reuse_perform(struct http_reuse *reuse, CURL *curl);
