/*
 * http_client: requests over libcurl, one at a time for each sink, on a connection that is kept.
 * Nothing follows a redirection: a receiver that moved is told of, not trusted.
 */
#include "sink/http_client.h"
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>
#include "base/allocate.h"
#include "sink/body_compression.h"
#include "sink/grpc.h"
#include "sink/http_reuse.h"
#include "sink/secret.h"

enum {
    BODY_MAXIMUM = 256 * 1024 * 1024,
    ANSWER_MAXIMUM = 4 * 1024 * 1024,

    HEADER_BYTES = SECRET_BYTES + 64,
    MILLISECOND_NS = 1000000,
};
static const uint64_t retry_after_maximum_ns = 3600ull * 1000000000;

struct http {
    const struct http_kind *kind;
    const struct http_options *options;
    const void *own;
    void *state;
    CURL *curl;
    struct curl_slist *headers; /* of every request */
    struct body_compressor *compressor;
    struct http_request request;
    struct buffer answer;
    struct buffer frame, message; /* of gRPC: what is sent, and an answer that came compressed */
    struct grpc_answer grpc;
    struct http_reuse reuse;
    struct secret password, proxy_password;
    char url[HTTP_URL_BYTES];
    char error[CURL_ERROR_SIZE];
    atomic_bool is_interrupted;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void begin_curl(void)
{
    curl_global_init(CURL_GLOBAL_ALL);
}

static size_t take_answer(char *data, size_t size, size_t count, void *context)
{
    struct http *http = context;
    size_t length = size * count, room = ANSWER_MAXIMUM - http->answer.length;

    if (buffer_append(&http->answer, slice_of(data, length < room ? length : room)) < 0)
        return 0;
    return length;
}

/* Headers and, behind the body, trailers. */
static size_t take_line(char *data, size_t size, size_t count, void *context)
{
    grpc_take_line(&((struct http *)context)->grpc, slice_of(data, size * count));
    return size * count;
}

/* Asked about once a second, and whenever bytes move. Not 0: end this. */
static int look_up(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(&((struct http *)context)->is_interrupted);
}

static int add_header(struct http *http, const char *text)
{
    struct curl_slist *more = curl_slist_append(http->headers, text);

    if (!more)
        return -ENOMEM;
    http->headers = more;
    return 0;
}

static int add_token(struct http *http, char message[SINK_MESSAGE_BYTES])
{
    const struct http_options *options = http->options;
    char header[HEADER_BYTES];
    struct secret token;
    int result = secret_read(options->token_file, options->token_variable, &token, message);

    if (result == 0 && token.length) {
        snprintf(header, sizeof(header), "Authorization: %s %s", http->kind->token_scheme,
                 token.text);
        result = add_header(http, header);
        explicit_bzero(header, sizeof(header));
    }
    secret_forget(&token);
    return result;
}

/* Headers whose values stand in files: NAME=FILE. */
static int add_secret_headers(struct http *http, char message[SINK_MESSAGE_BYTES])
{
    const struct text_list *list = &http->options->secret_headers;
    char header[HEADER_BYTES];
    int result = 0;

    for (size_t i = 0; i < list->count && result == 0; i++) {
        const char *equals = strchr(list->items[i], '=');
        struct secret value;

        result = secret_read(equals + 1, NULL, &value, message);
        if (result == 0) {
            snprintf(header, sizeof(header), "%.*s: %s", (int)(equals - list->items[i]),
                     list->items[i], value.text);
            result = add_header(http, header);
        }
        secret_forget(&value);
    }
    explicit_bzero(header, sizeof(header));
    return result;
}

static int make_headers(struct http *http, char message[SINK_MESSAGE_BYTES])
{
    const char *type = http->kind->content_type ? http->kind->content_type
                                                : http->kind->type_of(http->own);
    const char *encoding = body_compressor_encoding(http->compressor);
    char header[256];
    int result;

    snprintf(header, sizeof(header), "Content-Type: %.200s", type);
    result = add_header(http, header);
    if (result == 0)
        result = add_header(http, "Expect:"); /* no waiting for 100 Continue */
    if (result == 0 && http->kind->coding == HTTP_CODING_GRPC)
        result = add_header(http, "TE: trailers");
    if (result == 0 && encoding) {
        snprintf(header, sizeof(header), "%s: %s",
                 http->kind->coding == HTTP_CODING_GRPC ? "grpc-encoding" : "Content-Encoding",
                 encoding);
        result = add_header(http, header);
        snprintf(header, sizeof(header), "grpc-accept-encoding: %s", encoding);
        if (result == 0 && http->kind->coding == HTTP_CODING_GRPC)
            result = add_header(http, header);
    }
    for (size_t i = 0; i < http->options->headers.count && result == 0; i++)
        result = add_header(http, http->options->headers.items[i]);
    if (result == 0)
        result = add_secret_headers(http, message);
    return result < 0 ? result : add_token(http, message);
}

static void set_tls(struct http *http)
{
    const struct http_options *options = http->options;

    curl_easy_setopt(http->curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(http->curl, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(http->curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (options->tls.ca_file) {
        curl_easy_setopt(http->curl, CURLOPT_CAINFO, options->tls.ca_file);
        curl_easy_setopt(http->curl, CURLOPT_CAPATH, NULL);
    }
    if (options->tls.certificate_file) {
        curl_easy_setopt(http->curl, CURLOPT_SSLCERT, options->tls.certificate_file);
        curl_easy_setopt(http->curl, CURLOPT_SSLKEY, options->tls.key_file);
    }
}

static void set_options(struct http *http)
{
    const struct http_options *options = http->options;
    CURL *curl = http->curl;

    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, http->error);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "weir/" WEIR_VERSION);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(options->timeout_ns / MILLISECOND_NS));
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(options->connect_timeout_ns / MILLISECOND_NS));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, http);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_up);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, http);
    if (options->proxy)
        curl_easy_setopt(curl, CURLOPT_PROXY,
                         strcmp(options->proxy, "none") == 0 ? "" : options->proxy);
    if (options->proxy_user) {
        curl_easy_setopt(curl, CURLOPT_PROXYAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(curl, CURLOPT_PROXYUSERNAME, options->proxy_user);
        curl_easy_setopt(curl, CURLOPT_PROXYPASSWORD, http->proxy_password.text);
    }
    if (options->user) {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(curl, CURLOPT_USERNAME, options->user);
        curl_easy_setopt(curl, CURLOPT_PASSWORD, http->password.text);
    }
    if (http->kind->coding == HTTP_CODING_GRPC) {
        curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_line);
        curl_easy_setopt(curl, CURLOPT_HEADERDATA, http);
        http_reuse_begin(&http->reuse, curl, http->url);
    }
    set_tls(http);
}

/* The URL, with the kind's path where it has none; a method of gRPC is always the kind's. */
static void make_url(struct http *http)
{
    const char *url = http->options->url, *place = strstr(url, "://") + 3;
    const char *path = place + strcspn(place, "/?");
    bool has_path = http->kind->coding != HTTP_CODING_GRPC &&
                    (*path == '?' || (*path == '/' && path[1]));

    snprintf(http->url, sizeof(http->url), "%.*s%s",
             has_path ? (int)strlen(url) : (int)(path - url), url,
             has_path ? "" : http->kind->path);
}

static int prepare(struct http *http, const struct sink_options *options, char *message)
{
    int result;

    http->state = allocate_zeroed(http->kind->state_size + 1);
    http->curl = curl_easy_init();
    if (!http->state || !http->curl)
        return -ENOMEM;
    result = body_compressor_new(
        http->kind->coding == HTTP_CODING_SNAPPY ? "snappy" : http->options->compression,
        &http->compressor);
    if (result == 0)
        result = secret_read(http->options->password_file, http->options->password_variable,
                             &http->password, message);
    if (result == 0)
        result = secret_read(http->options->proxy_password_file,
                             http->options->proxy_password_variable, &http->proxy_password,
                             message);
    if (result == 0)
        result = make_headers(http, message);
    if (result == 0 && http->kind->begin)
        result = http->kind->begin(options, http->state, message);
    if (result == 0) {
        make_url(http);
        set_options(http);
    }
    return result;
}

int http_open(const struct http_kind *kind, const struct sink_options *options, void **ret_context,
              char message[SINK_MESSAGE_BYTES])
{
    struct http *http;
    int result = http_check(options, message);

    if (result < 0)
        return result;
    pthread_once(&once, begin_curl);
    http = allocate_zeroed(sizeof(*http));
    if (!http)
        return -ENOMEM;
    http->kind = kind;
    http->options = options->values[0];
    http->own = options->values[1];
    buffer_init(&http->request.body, BODY_MAXIMUM);
    buffer_init(&http->answer, ANSWER_MAXIMUM);
    buffer_init(&http->frame, BODY_MAXIMUM);
    buffer_init(&http->message, ANSWER_MAXIMUM);
    result = prepare(http, options, message);
    if (result == 0)
        *ret_context = http;
    else
        http_close(http);
    return result;
}

void http_close(void *context)
{
    struct http *http = context;

    curl_easy_cleanup(http->curl);
    for (struct curl_slist *at = http->headers; at; at = at->next)
        explicit_bzero(at->data, strlen(at->data));
    curl_slist_free_all(http->headers);
    body_compressor_free(&http->compressor);
    secret_forget(&http->password);
    secret_forget(&http->proxy_password);
    buffer_done(&http->request.body);
    buffer_done(&http->answer);
    buffer_done(&http->frame);
    buffer_done(&http->message);
    if (http->state && http->kind->end)
        http->kind->end(http->state);
    deallocate(http->state);
    deallocate(http);
}

void http_interrupt(void *context)
{
    atomic_store(&((struct http *)context)->is_interrupted, true);
}

/* The headers of one request in front of those of all; NULL: no memory. */
static struct curl_slist *join_headers(struct http *http, const struct http_request *request)
{
    struct curl_slist *list = NULL;

    for (size_t i = 0; i < sizeof(request->headers) / sizeof(*request->headers); i++) {
        struct curl_slist *more =
            request->headers[i][0] ? curl_slist_append(list, request->headers[i]) : list;

        if (request->headers[i][0] && !more) {
            curl_slist_free_all(list);
            return NULL;
        }
        list = more;
    }
    for (struct curl_slist *at = http->headers; at && list; at = at->next)
        list = curl_slist_append(list, at->data);
    return list ? list : http->headers;
}

/* The body as it is sent. 0 or -errno. */
static int make_body(struct http *http, struct slice plain, struct slice *ret_body)
{
    bool is_compressed = body_compressor_encoding(http->compressor);
    int result = body_compress(http->compressor, plain, ret_body);

    if (result < 0 || http->kind->coding != HTTP_CODING_GRPC)
        return result;
    result = grpc_frame(*ret_body, is_compressed, &http->frame);
    *ret_body = buffer_slice(&http->frame);
    return result;
}

/* One request. 0: there is an answer; or -errno. */
static int perform(struct http *http, const char *url, const struct http_request *request,
                   struct http_answer *ret_answer)
{
    struct curl_slist *headers = join_headers(http, request);
    struct slice body;
    long status = 0;
    CURLcode code;
    int result = make_body(http, buffer_slice(&request->body), &body);

    if (result < 0 || !headers)
        return result < 0 ? result : -ENOMEM;
    http->answer.length = 0;
    grpc_forget(&http->grpc);
    http->error[0] = '\0';
    curl_easy_setopt(http->curl, CURLOPT_URL, url);
    curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(http->curl, CURLOPT_POST, 1L);
    curl_easy_setopt(http->curl, CURLOPT_POSTFIELDS, (const char *)body.data);
    curl_easy_setopt(http->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.length);
    code = http_reuse_perform(&http->reuse, http->curl);
    curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &status);
    if (headers != http->headers)
        curl_slist_free_all(headers);
    ret_answer->status = (unsigned)status;
    ret_answer->body = buffer_slice(&http->answer);
    if (code == CURLE_OK)
        return 0;
    return code == CURLE_OPERATION_TIMEDOUT ? -ETIMEDOUT
           : code == CURLE_OUT_OF_MEMORY    ? -ENOMEM
                                            : -EIO;
}

int http_ask(struct http *http, const char *path, const struct http_request *request,
             struct http_answer *ret_answer)
{
    const char *place = strstr(http->url, "://") + 3;
    char url[HTTP_URL_BYTES];

    snprintf(url, sizeof(url), "%.*s%s", (int)(place - http->url) + (int)strcspn(place, "/?"),
             http->url, path);
    return perform(http, url, request, ret_answer);
}

static uint64_t retry_after_ns(struct http *http)
{
    curl_off_t seconds = 0;
    uint64_t pause_ns;

    if (curl_easy_getinfo(http->curl, CURLINFO_RETRY_AFTER, &seconds) != CURLE_OK || seconds <= 0)
        return 0;
    pause_ns = (uint64_t)seconds > 3600 ? retry_after_maximum_ns : (uint64_t)seconds * 1000000000;
    return pause_ns;
}

/* What became of a call. 0 or -errno. */
static int judge_call(struct http *http, struct http_answer *answer, struct sink_batch *batch)
{
    int result = grpc_judge(&http->grpc, answer->status, batch);

    if (result < 0)
        return batch->is_too_large ? 0 : result;
    if (!grpc_unframe(&http->grpc, answer->body, &http->message, &answer->body)) {
        snprintf(batch->reason, sizeof(batch->reason), "no whole message in the answer");
        return -EPROTO;
    }
    return http->kind->judge(http->own, http->state, http, answer, batch);
}

int http_send(void *context, struct sink_batch *batch)
{
    struct http *http = context;
    struct http_answer answer = {0};
    int result;

    http->request.body.length = 0;
    memset(http->request.headers, 0, sizeof(http->request.headers));
    result = http->kind->format(http->own, http->state, batch, &http->request);
    if (result == -ENOBUFS) {
        batch->is_too_large = true;
        snprintf(batch->reason, sizeof(batch->reason), "larger than a body may be");
        return result;
    }
    if (result == 0)
        result = perform(http, http->url, &http->request, &answer);
    if (result < 0) {
        snprintf(batch->reason, sizeof(batch->reason), "%.100s",
                 http->error[0] ? http->error : strerror(-result));
        return result;
    }
    if (http->kind->coding == HTTP_CODING_GRPC)
        return judge_call(http, &answer, batch);
    if (answer.status == 429 || answer.status == 503)
        batch->retry_after_ns = retry_after_ns(http);
    if (http->kind->judge &&
        (http->kind->is_judging_all || (answer.status >= 200 && answer.status < 300)))
        return http->kind->judge(http->own, http->state, http, &answer, batch);
    return http_judge_status(&answer, batch);
}
