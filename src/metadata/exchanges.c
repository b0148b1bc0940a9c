/* exchanges: the multi interface of libcurl, which keeps connections for the next request. */
#include "metadata/exchanges.h"
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include "base/allocate.h"

struct exchange {
    struct exchange_request request;
    CURL *curl; /* NULL: the place is free */
    struct curl_slist *headers;
};

struct exchanges {
    CURLM *multi;
    size_t count;
    struct exchange places[EXCHANGES_MAXIMUM];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void begin_curl(void)
{
    curl_global_init(CURL_GLOBAL_ALL);
}

static unsigned status_of(const struct exchange *exchange)
{
    long status = 0;

    curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
    return (unsigned)status;
}

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;
    size_t length = size * count;
    bool goes_on = exchange->request.on_body(exchange->request.context, status_of(exchange),
                                             slice_of(data, length));

    return goes_on ? length : 0;
}

static size_t take_header(char *data, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;

    if (exchange->request.on_header)
        exchange->request.on_header(exchange->request.context, slice_of(data, size * count));
    return size * count;
}

static int error_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return 0;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
        return -ECONNREFUSED;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CONNECT_ERROR:
        return -EACCES;
    case CURLE_WRITE_ERROR: /* on_body had enough */
        return -ECANCELED;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    default:
        return -EPROTO;
    }
}

/* They may hold a token. */
static void headers_free(struct curl_slist *headers)
{
    for (struct curl_slist *at = headers; at; at = at->next)
        explicit_bzero(at->data, strlen(at->data));
    curl_slist_free_all(headers);
}

static void exchange_done(struct exchanges *exchanges, struct exchange *exchange)
{
    if (!exchange->curl)
        return;
    curl_multi_remove_handle(exchanges->multi, exchange->curl);
    curl_easy_cleanup(exchange->curl);
    headers_free(exchange->headers);
    exchange->curl = NULL;
    exchange->headers = NULL;
    exchanges->count--;
}

int exchanges_new(struct exchanges **ret_exchanges)
{
    struct exchanges *exchanges = allocate_zeroed(sizeof(*exchanges));

    pthread_once(&once, begin_curl);
    if (exchanges)
        exchanges->multi = curl_multi_init();
    if (!exchanges || !exchanges->multi) {
        deallocate(exchanges);
        return -ENOMEM;
    }
    *ret_exchanges = exchanges;
    return 0;
}

void exchanges_free(struct exchanges **exchanges)
{
    struct exchanges *old = *exchanges;

    if (!old)
        return;
    for (size_t i = 0; i < EXCHANGES_MAXIMUM; i++)
        exchange_done(old, &old->places[i]);
    curl_multi_cleanup(old->multi);
    deallocate(old);
    *exchanges = NULL;
}

static int set_headers(struct exchange *exchange)
{
    const char *const *headers = exchange->request.headers;

    for (; headers && *headers; headers++) {
        struct curl_slist *more = curl_slist_append(exchange->headers, *headers);

        if (!more)
            return -ENOMEM;
        exchange->headers = more;
    }
    exchange->request.headers = NULL;
    curl_easy_setopt(exchange->curl, CURLOPT_HTTPHEADER, exchange->headers);
    return 0;
}

static void set_target(CURL *curl, const struct exchange_request *request)
{
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    if (request->socket) {
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, request->socket);
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
    }
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION,
                     request->is_http2 ? (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
                                       : (long)CURL_HTTP_VERSION_1_1);
    /* libcurl 7.88 loses the second request of such a connection. */
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, request->is_http2 ? 1L : 0L);
    if (request->body.data) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.data);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)request->body.length);
    }
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (request->ca_file) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, request->ca_file);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    }
}

static int set_all(struct exchange *exchange)
{
    const struct exchange_request *request = &exchange->request;
    CURL *curl = exchange->curl;

    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "weir/" WEIR_VERSION);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPIDLE, 30L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPINTVL, 10L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_timeout_ms);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, exchange);
    set_target(curl, request);
    return set_headers(exchange);
}

int exchanges_start(struct exchanges *exchanges, const struct exchange_request *request)
{
    struct exchange *exchange = exchanges->places;
    int result;

    while (exchange < exchanges->places + EXCHANGES_MAXIMUM && exchange->curl)
        exchange++;
    if (exchange == exchanges->places + EXCHANGES_MAXIMUM)
        return -ENOBUFS;
    exchange->request = *request;
    exchange->curl = curl_easy_init();
    if (!exchange->curl)
        return -ENOMEM;
    exchanges->count++;
    result = set_all(exchange);
    if (result == 0 && curl_multi_add_handle(exchanges->multi, exchange->curl) != CURLM_OK)
        result = -ENOMEM;
    if (result)
        exchange_done(exchanges, exchange);
    return result;
}

/* Calls back for those that have ended. Was there one? */
static bool finish(struct exchanges *exchanges)
{
    const CURLMsg *message;
    bool has_ended = false;
    int rest;

    while ((message = curl_multi_info_read(exchanges->multi, &rest))) {
        struct exchange_request request;
        struct exchange *exchange;
        unsigned status;
        int result;

        if (message->msg != CURLMSG_DONE)
            continue;
        result = error_of(message->data.result);
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&exchange);
        status = status_of(exchange);
        request = exchange->request;
        exchange_done(exchanges, exchange);
        request.on_end(request.context, result, status);
        has_ended = true;
    }
    return has_ended;
}

size_t exchanges_run(struct exchanges *exchanges, unsigned timeout_ms)
{
    int count;

    curl_multi_perform(exchanges->multi, &count);
    if (!finish(exchanges)) {
        curl_multi_poll(exchanges->multi, NULL, 0, (int)timeout_ms, NULL);
        curl_multi_perform(exchanges->multi, &count);
        finish(exchanges);
    }
    return exchanges->count;
}

void exchanges_wake(struct exchanges *exchanges)
{
    curl_multi_wakeup(exchanges->multi);
}
