/*
 * pretty_tls: server name, version, cipher suite, protocol, how long the handshake took, alerts:
 * tls www.example 1.3 TLS_AES_128_GCM_SHA256 h2 6.97ms
 */
#include "encode/pretty.h"

static void put_alerts(struct pretty_line *line)
{
    const struct value *alerts = pretty_find(line, FIELD_TLS_ALERTS);

    for (uint32_t i = 0; alerts && i < alerts->count; i++) {
        pretty_colour(line, PRETTY_RED);
        pretty_put(line, " ");
        pretty_member(line, &alerts->objects[i], "sender");
        pretty_put(line, ":");
        pretty_member(line, &alerts->objects[i], "description");
        pretty_colour(line, PRETTY_RESET);
    }
}

static void put_list(struct pretty_line *line, enum field_id field, const char *separator)
{
    const struct value *list = pretty_find(line, field);

    for (uint32_t i = 0; list && i < list->count; i++) {
        pretty_put(line, i ? separator : "");
        writer_escaped(&line->writer, list->texts[i], WRITER_PLAIN);
    }
}

void pretty_tls(struct pretty_line *line)
{
    const struct value *duration = pretty_find(line, FIELD_DURATION_NS);

    pretty_word(line, FIELD_NETWORK_PROTOCOL_NAME);
    pretty_colour(line, PRETTY_BOLD);
    pretty_put(line, pretty_find(line, FIELD_TLS_CLIENT_SERVER_NAME) ? "" : " ?");
    pretty_word(line, FIELD_TLS_CLIENT_SERVER_NAME);
    pretty_colour(line, PRETTY_RESET);
    pretty_word(line, FIELD_TLS_VERSION);
    pretty_word(line, FIELD_TLS_CIPHER);
    if (pretty_find(line, FIELD_TLS_ALPN)) {
        pretty_word(line, FIELD_TLS_ALPN);
    } else if (pretty_find(line, FIELD_TLS_CLIENT_ALPN)) {
        pretty_put(line, " ");
        put_list(line, FIELD_TLS_CLIENT_ALPN, "|"); /* only offered */
    }
    if (duration) {
        pretty_put(line, " ");
        pretty_duration(line, duration->number);
    }
    put_alerts(line);
}

static void put_detail(struct pretty_line *line, enum field_id field, const char *mark)
{
    if (!pretty_find(line, field))
        return;
    pretty_put(line, "    ");
    pretty_put(line, mark);
    pretty_colour(line, PRETTY_CYAN);
    pretty_put(line, field_descriptions[field].name);
    pretty_colour(line, PRETTY_RESET);
    pretty_put(line, ": ");
    if (pretty_find(line, field)->kind == VALUE_TEXTS)
        put_list(line, field, " ");
    else
        pretty_text(line, field);
    pretty_put(line, "\n");
}

void pretty_tls_details(struct pretty_line *line)
{
    static const struct {
        enum field_id field;
        const char *mark;
    } details[] = {
        {FIELD_TLS_CLIENT_SUPPORTED_VERSIONS, "> "},
        {FIELD_TLS_CLIENT_JA4, "> "},
        {FIELD_TLS_CLIENT_SUBJECT, "> "},
        {FIELD_TLS_FEATURES, "< "},
        {FIELD_TLS_RESUMPTION, "< "},
        {FIELD_TLS_CURVE, "< "},
        {FIELD_TLS_SERVER_JA4S, "< "},
        {FIELD_TLS_SERVER_SUBJECT, "< "},
        {FIELD_TLS_SERVER_ISSUER, "< "},
        {FIELD_TLS_SERVER_X509_ALTERNATIVE_NAMES, "< "},
    };

    for (size_t i = 0; i < sizeof(details) / sizeof(*details); i++)
        put_detail(line, details[i].field, details[i].mark);
}
