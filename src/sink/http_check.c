/* http_check: what is wrong with the settings of a sink over HTTP; no secret is among them. */
#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include "model/mask_names.h"
#include "sink/http_client.h"

static int refuse(char *message, const char *what, const char *why)
{
    snprintf(message, SINK_MESSAGE_BYTES, "%.150s: %.90s", what, why);
    return -EINVAL;
}

/* What the URL must not be. */
static const char *complain_of_url(const char *url)
{
    const char *place = NULL, *end;

    if (!url)
        return "is needed";
    if (strncmp(url, "http://", 7) == 0)
        place = url + 7;
    else if (strncmp(url, "https://", 8) == 0)
        place = url + 8;
    if (!place)
        return "begins with http:// or https://";
    end = place + strcspn(place, "/?#");
    if (end == place)
        return "names no host";
    if (memchr(place, '@', (size_t)(end - place)))
        return "must not hold a password: user and password-file do";
    if (strlen(url) >= HTTP_URL_BYTES / 2)
        return "is too long";
    for (const char *at = url; *at; at++)
        if ((unsigned char)*at <= ' ')
            return "has a space or a control character";
    return NULL;
}

static bool is_header(const char *text)
{
    size_t name = strcspn(text, ":");

    for (const char *at = text; *at; at++)
        if ((unsigned char)*at < ' ')
            return false;
    return name > 0 && text[name] == ':' && memchr(text, ' ', name) == NULL;
}

/* Is it a header that is masked in records? Then its value does not belong into a configuration. */
static bool is_secret(const char *text)
{
    size_t length = strcspn(text, ":");
    const struct mask_name *at = mask_default_names;

    while (at->name && (strncasecmp(at->name, text, length) != 0 || at->name[length]))
        at++;
    return at->name;
}

int http_check(const struct sink_options *options, char message[SINK_MESSAGE_BYTES])
{
    const struct http_options *own = options->values[0];
    const char *why = complain_of_url(own->url);

    if (why)
        return refuse(message, "url", why);
    for (size_t i = 0; i < own->headers.count; i++) {
        if (!is_header(own->headers.items[i]))
            return refuse(message, "header", "is 'Name: value'");
        if (is_secret(own->headers.items[i]))
            return refuse(message, "header", "a secret comes from token-file or secret-header");
    }
    for (size_t i = 0; i < own->secret_headers.count; i++) {
        const char *equals = strchr(own->secret_headers.items[i], '=');

        if (!equals || !equals[1] || equals == own->secret_headers.items[i] ||
            strcspn(own->secret_headers.items[i], ": ") <
                (size_t)(equals - own->secret_headers.items[i]))
            return refuse(message, "secret-header", "is NAME=FILE");
    }
    if (own->proxy && strchr(own->proxy, '@'))
        return refuse(message, "proxy", "must not hold a password: proxy-password-file does");
    if (own->proxy_user && !own->proxy_password_file && !own->proxy_password_variable)
        return refuse(message, "proxy-user", "needs proxy-password-file or -variable");
    if (own->user && !own->password_file && !own->password_variable)
        return refuse(message, "user", "needs password-file or password-variable");
    return tls_files_check(&own->tls, message);
}
