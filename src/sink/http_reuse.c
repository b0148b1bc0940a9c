#include "sink/http_reuse.h"
#include <string.h>
#include <sys/socket.h>

enum { MENDED_VERSION = 0x080100 };

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http_reuse *reuse = context;

    (void)purpose;
    if (reuse->is_bound) {
        reuse->is_refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

void http_reuse_begin(struct http_reuse *reuse, CURL *curl, const char *url)
{
    *reuse = (struct http_reuse){.is_needed = strncmp(url, "http:", 5) == 0 &&
                                              curl_version_info(CURLVERSION_NOW)->version_num <
                                                  MENDED_VERSION};
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
    if (!reuse->is_needed)
        return;
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, reuse);
}

/* A request on the connection that is there. False: there was none any more, nothing was sent. */
static bool perform_again(struct http_reuse *reuse, CURL *curl, CURLcode *ret_code)
{
    reuse->is_bound = true;
    reuse->is_refused = false;
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    *ret_code = curl_easy_perform(curl);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
    reuse->is_bound = false;
    reuse->is_open = *ret_code == CURLE_OK;
    return !reuse->is_refused;
}

CURLcode http_reuse_perform(struct http_reuse *reuse, CURL *curl)
{
    CURLcode code;

    if (reuse->is_open && perform_again(reuse, curl, &code))
        return code;
    if (reuse->is_needed) /* not on one that libcurl still has and we know nothing of */
        curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
    code = curl_easy_perform(curl);
    if (reuse->is_needed)
        curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 0L);
    reuse->is_open = reuse->is_needed && code == CURLE_OK;
    return code;
}
