/*
 * kafka_body: bodies of requests and responses (kafka.apache.org/protocol), read by a description:
 *
 *   b h i l    8 to 64 bits     u  UUID          s y  string, bytes; either may be null
 *   T U        a topic's name or UUID            G    a consumer group
 *   K k        a coordinator's key and its type  A    acknowledgements
 *   E M        an error's code and message       .    read no further
 *   ( … )      an array of structures            [ … ]  an array of single fields
 *
 * A field may be followed by the versions that have it: 3+, -2 (up to 2), 2-4. In flexible versions
 * lengths are variable and structures end in tagged fields (KIP-482).
 */
#include "parse/kafka.h"

struct walk {
    struct reader *reader;
    struct kafka_body *body;
    int version;
    bool is_flexible;
    bool is_over;
};

static uint32_t read_varint(struct reader *reader)
{
    uint64_t number = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        uint8_t byte = reader_u8(reader);
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return (uint32_t)number;
    }
    reader->is_short = true;
    return 0;
}

void kafka_body_skip_tags(struct reader *reader)
{
    uint32_t count = read_varint(reader);
    for (uint32_t i = 0; i < count && !reader->is_short; i++) {
        read_varint(reader);
        reader_take(reader, read_varint(reader));
    }
}

/* A count or length; null is 0. `size`: of it in versions that are not flexible. */
static size_t read_count(struct walk *walk, size_t size)
{
    if (walk->is_flexible) {
        uint32_t count = read_varint(walk->reader);
        return count ? count - 1 : 0;
    }
    uint64_t count = reader_number(walk->reader, size);
    bool is_null = count >> (8 * size - 1);
    return is_null ? 0 : (size_t)count;
}

static struct slice read_text(struct walk *walk)
{
    return reader_take(walk->reader, read_count(walk, 2));
}

static void add_topic(struct kafka_body *body, struct slice name, bool is_id)
{
    bool is_none = name.length == 0 || name.length > KAFKA_NAME_MAXIMUM;
    static const uint8_t zero[16];
    body->topics_read += !is_none;
    if (is_none || (is_id && memcmp(name.data, zero, sizeof(zero)) == 0))
        return;
    for (uint32_t i = 0; i < body->topic_count; i++) {
        if (slice_is_equal(body->topics[i], name))
            return;
    }
    if (body->topic_count == KAFKA_TOPICS_MAXIMUM) {
        body->has_more_topics = true;
        return;
    }
    body->is_topic_id[body->topic_count] = is_id;
    body->topics[body->topic_count++] = name;
}

static void read_error(struct walk *walk)
{
    int16_t error = (int16_t)reader_u16(walk->reader);
    if (walk->body->error == 0 && !walk->reader->is_short)
        walk->body->error = error;
}

static void read_field(struct walk *walk, char kind)
{
    struct reader *reader = walk->reader;
    struct kafka_body *body = walk->body;
    struct slice text;
    switch (kind) {
    case 'b':
        reader_take(reader, 1);
        break;
    case 'h':
        reader_take(reader, 2);
        break;
    case 'i':
        reader_take(reader, 4);
        break;
    case 'l':
        reader_take(reader, 8);
        break;
    case 'u':
        reader_take(reader, 16);
        break;
    case 'y':
        reader_take(reader, read_count(walk, 4));
        break;
    case 'U':
        text = reader_take(reader, 16);
        add_topic(body, text, true);
        break;
    case 'k':
        body->key_type = reader_u8(reader);
        break;
    case 'A':
        body->acks = (int16_t)reader_u16(reader);
        body->has_acks = !reader->is_short;
        break;
    case 'E':
        read_error(walk);
        break;
    case '.':
        walk->is_over = true;
        break;
    default:
        text = read_text(walk);
        if (kind == 'T')
            add_topic(body, text, false);
        else if (kind == 'G' && body->group.length == 0)
            body->group = text;
        else if (kind == 'K' && body->key.length == 0)
            body->key = text;
        else if (kind == 'M' && body->error && body->message.length == 0)
            body->message = text;
        break;
    }
}

/* Behind the bracket that closes the one at `at`. */
static const char *find_close(const char *at)
{
    int depth = 0;
    do {
        depth += (*at == '(' || *at == '[') - (*at == ')' || *at == ']');
        at++;
    } while (depth && *at);
    return at;
}

/* Reads "3+", "-2" or "2-4" at *at; does it hold for the version? */
static bool read_versions(const char **at, int version)
{
    int first = 0, last = KAFKA_VERSION_MAXIMUM;
    bool has_number = false;
    for (; (uint8_t)(**at - '0') <= 9; (*at)++, has_number = true)
        first = first * 10 + (**at - '0');
    if (has_number && **at == '+') {
        (*at)++;
    } else if (**at == '-') {
        (*at)++;
        for (last = 0; (uint8_t)(**at - '0') <= 9; (*at)++)
            last = last * 10 + (**at - '0');
    }
    return version >= first && version <= last;
}

/* Reads fields up to a closing bracket or the end. Depth is that of the description. */
static void read_fields(struct walk *walk, const char *at)
{
    while (*at && *at != ')' && *at != ']' && !walk->reader->is_short && !walk->is_over) {
        char kind = *at;
        const char *inside = at + 1;
        if (kind == ' ') {
            at++;
            continue;
        }
        bool is_array = kind == '(' || kind == '[';
        at = is_array ? find_close(at) : at + 1;
        if (!read_versions(&at, walk->version))
            continue;
        if (!is_array) {
            read_field(walk, kind);
            continue;
        }
        size_t count = read_count(walk, 4);
        if (*inside == 'T' || *inside == 'U')
            walk->body->topics_announced += count;
        for (size_t i = 0; i < count && !walk->reader->is_short && !walk->is_over; i++) {
            size_t before = walk->reader->at;
            read_fields(walk, inside);
            if (walk->is_flexible && kind == '(' && !walk->is_over)
                kafka_body_skip_tags(walk->reader);
            if (walk->reader->at == before) /* nothing is that small: the count is a lie */
                walk->reader->is_short = true;
        }
    }
}

void kafka_body_read(struct reader *reader, const char *description, int version, bool is_flexible,
                     struct kafka_body *body)
{
    struct walk walk = {
        .reader = reader, .body = body, .version = version, .is_flexible = is_flexible};
    if (description)
        read_fields(&walk, description);
    body->is_short = reader->is_short;
}
