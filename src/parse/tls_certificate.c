/*
 * tls_certificate: what a certificate says of its holder (RFC 5280 §4.1), read from DER (X.690)
 * without recursion. Names are written as in RFC 4514. Nothing is verified.
 */
#include <time.h>
#include "parse/tls.h"

enum der_tag {
    DER_INTEGER = 0x02,
    DER_OCTETS = 0x04,
    DER_OBJECT_ID = 0x06,
    DER_UTF8 = 0x0c,
    DER_T61 = 0x14,
    DER_UTC_TIME = 0x17,
    DER_GENERAL_TIME = 0x18,
    DER_UNIVERSAL = 0x1c,
    DER_BMP = 0x1e,
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31,
    DER_VERSION = 0xa0,
    DER_EXTENSIONS = 0xa3,
    DER_BOOLEAN = 0x01,
    NAME_EMAIL = 0x81, /* of GeneralName */
    NAME_DNS = 0x82,
    NAME_URI = 0x86,
    NAME_ADDRESS = 0x87,
};

enum { PARTS_MAXIMUM = 64 }; /* of a distinguished name */

/* The next element's content; its tag is 0 when there is none or it does not fit. */
static struct slice next(struct reader *reader, uint8_t *ret_tag)
{
    size_t length;

    *ret_tag = reader_u8(reader);
    length = reader_u8(reader);
    if (length & 0x80) {
        size_t size = length & 0x7f;
        if (size < 1 || size > 4)
            reader->is_short = true;
        length = (size_t)reader_number(reader, size <= 4 ? size : 0);
    }
    struct slice content = reader_take(reader, length);
    if (reader->is_short)
        *ret_tag = 0;
    return content;
}

/* The next element, which has to have that tag; else the reader is short. */
static struct slice expect(struct reader *reader, uint8_t tag)
{
    uint8_t found;
    struct slice content = next(reader, &found);

    if (found != tag) {
        reader->is_short = true;
        return (struct slice){NULL, 0};
    }
    return content;
}

static bool is_next(const struct reader *reader, uint8_t tag)
{
    return reader_left(reader) && reader->bytes.data[reader->at] == tag;
}

static void add_object_id(struct text *text, struct slice id)
{
    uint64_t number = 0;
    bool is_first = true;

    for (size_t i = 0; i < id.length; i++) {
        number = number << 7 | (id.data[i] & 0x7f);
        if (id.data[i] & 0x80)
            continue;
        if (is_first) {
            unsigned root = number < 80 ? (unsigned)number / 40 : 2;
            text_add_number(text, root, 1);
            number -= root * 40u;
        }
        text_add_byte(text, '.');
        text_add_number(text, number, 1);
        number = 0;
        is_first = false;
    }
}

/* RFC 4514 §3, and what else is common. */
static void add_attribute_type(struct text *text, struct slice id)
{
    static const struct {
        struct slice id;
        const char *name;
    } types[] = {
        {SLICE_LITERAL("\x55\x04\x03"), "CN"},
        {SLICE_LITERAL("\x55\x04\x05"), "serialNumber"},
        {SLICE_LITERAL("\x55\x04\x06"), "C"},
        {SLICE_LITERAL("\x55\x04\x07"), "L"},
        {SLICE_LITERAL("\x55\x04\x08"), "ST"},
        {SLICE_LITERAL("\x55\x04\x09"), "STREET"},
        {SLICE_LITERAL("\x55\x04\x0a"), "O"},
        {SLICE_LITERAL("\x55\x04\x0b"), "OU"},
        {SLICE_LITERAL("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19"), "DC"},
        {SLICE_LITERAL("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01"), "UID"},
        {SLICE_LITERAL("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"), "emailAddress"},
    };

    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        if (slice_is_equal(types[i].id, id)) {
            text_add_string(text, types[i].name);
            return;
        }
    }
    add_object_id(text, id);
}

static void add_code_point(struct text *text, uint32_t point)
{
    if (point >= 0x10000) {
        text_add_byte(text, (uint8_t)(0xf0 | (point >> 18 & 7)));
        text_add_byte(text, (uint8_t)(0x80 | (point >> 12 & 0x3f)));
    } else if (point >= 0x800) {
        text_add_byte(text, (uint8_t)(0xe0 | point >> 12));
    }
    if (point >= 0x800)
        text_add_byte(text, (uint8_t)(0x80 | (point >> 6 & 0x3f)));
    else
        text_add_byte(text, (uint8_t)(0xc0 | point >> 6));
    text_add_byte(text, (uint8_t)(0x80 | (point & 0x3f)));
}

/* RFC 4514 §2.4; strings of wider characters become UTF-8. */
static void add_value(struct text *text, struct slice value, uint8_t tag)
{
    struct reader reader = reader_of(value);
    size_t size = tag == DER_BMP ? 2 : tag == DER_UNIVERSAL ? 4 : 1;

    for (bool is_first = true; reader_left(&reader) >= size && !text->is_cut; is_first = false) {
        uint32_t point = (uint32_t)reader_number(&reader, size);
        bool is_wide = point >= 0x80 && (size > 1 || tag == DER_T61);
        bool is_outer_blank = point == ' ' && (is_first || !reader_left(&reader));

        if (is_wide) {
            add_code_point(text, point);
            continue;
        }
        if (strchr(",+\"\\<>;", (int)point) ? point != 0
                                            : is_outer_blank || (point == '#' && is_first))
            text_add_byte(text, '\\');
        text_add_byte(text, (uint8_t)point);
    }
}

/* One relative name: attributes joined with "+". False: it is broken. */
static bool add_relative_name(struct text *text, struct slice set)
{
    struct reader reader = reader_of(set);
    bool is_first = true;

    while (reader_left(&reader)) {
        struct reader pair = reader_of(expect(&reader, DER_SEQUENCE));
        struct slice id = expect(&pair, DER_OBJECT_ID);
        uint8_t tag;
        struct slice value = next(&pair, &tag);

        if (reader.is_short || pair.is_short)
            return false;
        if (!is_first)
            text_add_byte(text, '+');
        is_first = false;
        add_attribute_type(text, id);
        text_add_byte(text, '=');
        add_value(text, value, tag);
    }
    return true;
}

/* RFC 4514 §2.1: the last relative name comes first. */
static bool add_name(struct record *record, enum field_id field, struct slice name)
{
    struct slice parts[PARTS_MAXIMUM];
    struct reader reader = reader_of(name);
    size_t count = 0;
    struct text text;

    while (reader_left(&reader) && count < PARTS_MAXIMUM)
        parts[count++] = expect(&reader, DER_SET);
    if (reader.is_short || reader_left(&reader))
        return false;
    text_clear(&text);
    for (; count; count--) {
        if (text.length)
            text_add_byte(&text, ',');
        if (!add_relative_name(&text, parts[count - 1]))
            return false;
    }
    if (text.is_cut)
        record_set_flag(record, RECORD_FLAG_TRUNCATED);
    struct slice copy = arena_copy(record->arena, text_slice(&text));
    if (copy.length)
        record_add_text(record, field, copy);
    return true;
}

/* RFC 5280 §4.1.2.5: both kinds end in Z. */
static bool add_time(struct record *record, enum field_id field, struct reader *reader)
{
    uint8_t tag;
    struct slice text = next(reader, &tag);
    size_t year_digits = tag == DER_UTC_TIME ? 2 : 4;
    int parts[6] = {0};

    if ((tag != DER_UTC_TIME && tag != DER_GENERAL_TIME) || text.length != year_digits + 11 ||
        text.data[text.length - 1] != 'Z')
        return false;
    for (size_t i = 0; i + 1 < text.length; i++) {
        size_t part = i < year_digits ? 0 : 1 + (i - year_digits) / 2;
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        parts[part] = parts[part] * 10 + (text.data[i] - '0');
    }
    if (tag == DER_UTC_TIME)
        parts[0] += parts[0] < 50 ? 2000 : 1900;
    struct tm broken = {.tm_year = parts[0] - 1900,
                        .tm_mon = parts[1] - 1,
                        .tm_mday = parts[2],
                        .tm_hour = parts[3],
                        .tm_min = parts[4],
                        .tm_sec = parts[5]};
    time_t seconds = timegm(&broken);
    if (seconds > 0 && (uint64_t)seconds < UINT64_MAX / 1000000000u)
        record_add_number(record, field, (uint64_t)seconds * 1000000000u);
    return true;
}

static struct slice alternative_name(struct record *record, uint8_t tag, struct slice value)
{
    struct address address = {.family = value.length == 4 ? ADDRESS_IPV4 : ADDRESS_IPV6};
    char line[46];

    if (tag == NAME_DNS || tag == NAME_EMAIL || tag == NAME_URI)
        return arena_copy(record->arena, value);
    if (tag != NAME_ADDRESS || (value.length != 4 && value.length != 16))
        return (struct slice){NULL, 0};
    memcpy(address.bytes, value.data, value.length);
    return arena_copy(record->arena, slice_of(line, address_format(&address, line)));
}

static void add_alternative_names(struct record *record, struct slice value)
{
    struct slice names[TLS_NAMES_MAXIMUM];
    struct reader outer = reader_of(value), reader = reader_of(expect(&outer, DER_SEQUENCE));
    uint32_t count = 0;

    while (reader_left(&reader)) {
        uint8_t tag;
        struct slice content = next(&reader, &tag), name = alternative_name(record, tag, content);

        if (name.length && count < TLS_NAMES_MAXIMUM)
            names[count++] = name;
        else if (name.length)
            record_set_flag(record, RECORD_FLAG_TRUNCATED);
    }
    struct slice *texts = count ? arena_allocate(record->arena, count * sizeof(*texts)) : NULL;
    if (!texts)
        return;
    memcpy(texts, names, count * sizeof(*texts));
    record_add_texts(record, FIELD_TLS_SERVER_X509_ALTERNATIVE_NAMES, texts, count);
}

static void add_extensions(struct record *record, struct slice extensions)
{
    struct reader outer = reader_of(extensions), reader = reader_of(expect(&outer, DER_SEQUENCE));

    while (reader_left(&reader)) {
        struct reader extension = reader_of(expect(&reader, DER_SEQUENCE));
        struct slice id = expect(&extension, DER_OBJECT_ID);

        if (is_next(&extension, DER_BOOLEAN))
            expect(&extension, DER_BOOLEAN);
        if (!slice_is_equal(id, SLICE_LITERAL("\x55\x1d\x11")))
            continue;
        add_alternative_names(record, expect(&extension, DER_OCTETS));
        return;
    }
}

static void add_hex(struct record *record, enum field_id field, struct slice bytes)
{
    struct text text;

    text_clear(&text);
    text_add_hex_bytes(&text, bytes);
    struct slice copy = arena_copy(record->arena, text_slice(&text));
    if (copy.length && !text.is_cut)
        record_add_text(record, field, copy);
}

/* TBSCertificate; false: it is broken. */
static bool add_content(struct record *record, struct slice certificate, bool is_client)
{
    struct reader outer = reader_of(certificate), whole = reader_of(expect(&outer, DER_SEQUENCE));
    struct reader reader = reader_of(expect(&whole, DER_SEQUENCE));

    if (is_next(&reader, DER_VERSION))
        expect(&reader, DER_VERSION);
    struct slice serial = expect(&reader, DER_INTEGER);
    expect(&reader, DER_SEQUENCE); /* signature */
    struct slice issuer = expect(&reader, DER_SEQUENCE);
    struct reader validity = reader_of(expect(&reader, DER_SEQUENCE));
    struct slice subject = expect(&reader, DER_SEQUENCE);
    if (whole.is_short || reader.is_short)
        return false;
    bool is_good =
        add_name(record, is_client ? FIELD_TLS_CLIENT_SUBJECT : FIELD_TLS_SERVER_SUBJECT, subject);
    is_good &=
        add_name(record, is_client ? FIELD_TLS_CLIENT_ISSUER : FIELD_TLS_SERVER_ISSUER, issuer);
    is_good &= add_time(
        record, is_client ? FIELD_TLS_CLIENT_NOT_BEFORE : FIELD_TLS_SERVER_NOT_BEFORE, &validity);
    is_good &= add_time(record, is_client ? FIELD_TLS_CLIENT_NOT_AFTER : FIELD_TLS_SERVER_NOT_AFTER,
                        &validity);
    if (is_client)
        return is_good;
    if (serial.length > 1 && !serial.data[0])
        serial = slice_part(serial, 1, SIZE_MAX); /* the sign */
    add_hex(record, FIELD_TLS_SERVER_X509_SERIAL_NUMBER, serial);
    while (reader_left(&reader)) {
        uint8_t tag;
        struct slice part = next(&reader, &tag);
        if (tag == DER_EXTENSIONS)
            add_extensions(record, part);
    }
    return is_good && !reader.is_short;
}

bool tls_certificate_add(struct record *record, struct slice body, bool is_client)
{
    struct reader outer = reader_of(body);
    struct slice list = reader_vector(&outer, 3);
    struct reader reader = reader_of(list);
    struct slice first = reader_vector(&reader, 3);
    uint8_t digest[DIGEST_SHA256_SIZE];
    uint64_t count = first.length > 0;

    if (!outer.is_short && !list.length)
        return true;      /* a client that has none */
    if (outer.is_short) { /* cut: the first one may be there */
        outer = reader_of(slice_part(body, 3, SIZE_MAX));
        first = reader_vector(&outer, 3);
    }
    if (!first.length)
        return !outer.is_short && !reader.is_short && !reader_left(&reader);
    if (digest_sha256(first, digest))
        add_hex(record, is_client ? FIELD_TLS_CLIENT_HASH_SHA256 : FIELD_TLS_SERVER_HASH_SHA256,
                slice_of(digest, sizeof(digest)));
    if (!is_client && digest_sha1(first, digest))
        add_hex(record, FIELD_TLS_SERVER_HASH_SHA1, slice_of(digest, DIGEST_SHA1_SIZE));
    bool is_good = add_content(record, first, is_client);
    for (; reader_left(&reader) && !reader.is_short; count++)
        reader_vector(&reader, 3);
    if (!is_client && !outer.is_short && !reader.is_short)
        record_add_number(record, FIELD_TLS_SERVER_CERTIFICATES, count);
    return is_good && !outer.is_short && !reader.is_short;
}
