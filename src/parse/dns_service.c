/* dns_service: parameters of SVCB and HTTPS records (RFC 9460 §2, §7; RFC 9461, 9540, 9848). */
#include "parse/dns.h"

enum {
    KEY_MANDATORY,
    KEY_ALPN,
    KEY_NO_DEFAULT_ALPN,
    KEY_PORT,
    KEY_IPV4HINT,
    KEY_ECH,
    KEY_IPV6HINT,
    KEY_DOHPATH,
    KEY_OHTTP,
    KEY_TLS_GROUPS,
    KEY_COUNT
};

static const char *const keys[KEY_COUNT] = {
    "mandatory", "alpn",     "no-default-alpn", "port",  "ipv4hint",
    "ech",       "ipv6hint", "dohpath",         "ohttp", "tls-supported-groups",
};

static void add_key(struct text *text, uint16_t key)
{
    if (key < KEY_COUNT) {
        text_add_string(text, keys[key]);
    } else {
        text_add_string(text, "key");
        text_add_number(text, key, 1);
    }
}

static void add_escaped(struct text *text, struct slice bytes)
{
    for (size_t i = 0; i < bytes.length && !text->is_cut; i++) {
        uint8_t byte = bytes.data[i];

        if (byte == '"' || byte == '\\' || byte == ',')
            text_add_byte(text, '\\');
        if (byte >= ' ' && byte < 0x7f) {
            text_add_byte(text, byte);
        } else {
            text_add_byte(text, '\\');
            text_add_number(text, byte, 3);
        }
    }
}

/* One item of a list. */
static void add_item(struct reader *value, struct text *text, uint16_t key)
{
    struct address address = {.family = key == KEY_IPV4HINT ? ADDRESS_IPV4 : ADDRESS_IPV6};
    struct slice bytes;
    char line[46];

    switch (key) {
    case KEY_MANDATORY:
        add_key(text, reader_u16(value));
        break;
    case KEY_ALPN:
        add_escaped(text, reader_vector(value, 1));
        break;
    case KEY_TLS_GROUPS:
        text_add_number(text, reader_u16(value), 1);
        break;
    default:
        bytes = reader_take(value, key == KEY_IPV4HINT ? 4 : 16);
        if (bytes.length)
            memcpy(address.bytes, bytes.data, bytes.length);
        text_add(text, slice_of(line, address_format(&address, line)));
        break;
    }
}

static bool is_list(uint16_t key)
{
    return key == KEY_MANDATORY || key == KEY_ALPN || key == KEY_IPV4HINT || key == KEY_IPV6HINT ||
           key == KEY_TLS_GROUPS;
}

static void add_value(struct reader *value, struct text *text, uint16_t key)
{
    bool is_quoted = key == KEY_ALPN || key == KEY_DOHPATH || key >= KEY_COUNT;

    if (is_quoted)
        text_add_byte(text, '"');
    if (is_list(key)) {
        for (bool is_first = true; reader_left(value) || is_first; is_first = false) {
            if (!is_first)
                text_add_byte(text, ',');
            add_item(value, text, key);
        }
    } else if (key == KEY_PORT) {
        text_add_number(text, reader_u16(value), 1);
    } else if (key == KEY_ECH) {
        text_add_base64(text, reader_rest(value));
    } else {
        add_escaped(text, reader_rest(value));
    }
    if (is_quoted)
        text_add_byte(text, '"');
}

bool dns_service_format(struct reader *reader, struct text *text)
{
    int last = -1;
    bool is_good = true;

    while (reader_left(reader) && is_good) {
        uint16_t key = reader_u16(reader);
        struct reader value = reader_of(reader_vector(reader, 2));

        if (last >= 0)
            text_add_byte(text, ' ');
        is_good = key > last; /* each once, in ascending order */
        last = key;
        add_key(text, key);
        if (key == KEY_NO_DEFAULT_ALPN || key == KEY_OHTTP ||
            (key >= KEY_COUNT && !reader_left(&value))) {
            is_good &= !reader_left(&value);
            continue;
        }
        text_add_byte(text, '=');
        add_value(&value, text, key);
        is_good &= !value.is_short && !reader_left(&value);
    }
    return is_good && !reader->is_short;
}
