/*
 * escape: writer_escaped. Clean stretches are found and copied 16 bytes a step with SSE2, 8 a step
 * elsewhere; everything else goes byte by byte. UTF-8: RFC 3629; which characters are no text:
 * Unicode 15 §23 (C0, C1, U+2028/2029, Bidi_Control), U+FEFF, and the tag characters, which no
 * terminal shows.
 */
#include "encode/put.h"

size_t writer_utf8_length(const uint8_t *data, size_t left)
{
    uint8_t first = data[0], low = 0x80, high = 0xbf;
    size_t length;

    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (left < length)
        return 0;
    if (first == 0xe0)
        low = 0xa0;
    else if (first == 0xed)
        high = 0x9f;
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xf4)
        high = 0x8f;
    if (data[1] < low || data[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++) {
        if ((data[i] & 0xc0) != 0x80)
            return 0;
    }
    return length;
}

static unsigned decode(const uint8_t *data, size_t length)
{
    unsigned code = data[0] & (0xffu >> (length + 1));

    for (size_t i = 1; i < length; i++)
        code = code << 6 | (data[i] & 0x3f);
    return code;
}

/* Invisible, or changes how other text is shown. */
static bool is_hidden(unsigned code)
{
    return (code >= 0x80 && code < 0xa0) || code == 0xad || code == 0x61c ||
           (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2060 && code <= 0x206f) || code == 0xfeff ||
           (code >= 0xfff9 && code <= 0xfffb) || (code >= 0xe0000 && code <= 0xe007f);
}

static size_t put_code_unit(uint8_t *at, unsigned unit)
{
    static const char digits[] = "0123456789abcdef";

    at[0] = '\\';
    at[1] = 'u';
    for (unsigned i = 0; i < 4; i++)
        at[2 + i] = (uint8_t)digits[unit >> (12 - 4 * i) & 15];
    return 6;
}

static size_t put_ascii(uint8_t *at, uint8_t byte, enum writer_style style)
{
    static const char names[] = "\bb\ff\nn\rr\tt";

    if (byte == '\\' || (byte == '"' && style == WRITER_QUOTED)) {
        at[0] = '\\';
        at[1] = byte;
        return 2;
    }
    for (size_t i = 0; byte < ' ' && i < sizeof(names) - 1; i += 2) {
        if (byte == (uint8_t)names[i]) {
            at[0] = '\\';
            at[1] = (uint8_t)names[i + 1];
            return 2;
        }
    }
    if (byte < ' ' || byte == 0x7f)
        return put_code_unit(at, byte);
    at[0] = byte;
    return 1;
}

/*
 * Escapes the character at `data`; sets *ret_used (input bytes) and returns the output bytes, at
 * most 12.
 */
static size_t put_character(uint8_t *at, const uint8_t *data, size_t left, enum writer_style style,
                            size_t *ret_used, bool *has_binary)
{
    size_t length = writer_utf8_length(data, left);
    unsigned code;

    *ret_used = length ? length : 1;
    if (length == 1)
        return put_ascii(at, data[0], style);
    if (!length) {
        *has_binary = true;
        return put_code_unit(at, data[0]);
    }
    code = decode(data, length);
    if (!is_hidden(code)) {
        memcpy(at, data, length);
        return length;
    }
    if (code < 0x10000)
        return put_code_unit(at, code);
    code -= 0x10000;
    return put_code_unit(at, 0xd800 | code >> 10) + put_code_unit(at + 6, 0xdc00 | (code & 0x3ff));
}

static bool is_clean_byte(uint8_t byte)
{
    return byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\';
}

#ifdef __SSE2__

/* Up to 16 bytes; what is behind them is zero. */
static inline __m128i load_up_to_16(const uint8_t *data, size_t length)
{
    uint64_t low = 0, high = 0;
    uint32_t first, last;

    if (length >= 16)
        return _mm_loadu_si128((const __m128i *)data);
    if (length >= 8) {
        memcpy(&low, data, 8);
        memcpy(&high, data + length - 8, 8);
        high = length > 8 ? high >> (8 * (16 - length)) : 0;
    } else if (length >= 4) {
        memcpy(&first, data, 4);
        memcpy(&last, data + length - 4, 4);
        low = first | (uint64_t)last << (8 * (length - 4));
    } else {
        for (size_t i = length; i-- > 0;)
            low = low << 8 | data[i];
    }
    return _mm_set_epi64x((long long)high, (long long)low);
}

/* Copies a block, and may scribble behind it; bit n: byte n needs an escape, or a look. */
static inline unsigned copy_block(uint8_t *to, const uint8_t *from, size_t length)
{
    __m128i bytes = load_up_to_16(from, length);
    /* signed comparison: bytes from 0x80 on are below the space, too */
    __m128i bad = _mm_or_si128(_mm_or_si128(_mm_cmplt_epi8(bytes, _mm_set1_epi8(' ')),
                                            _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f))),
                               _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                            _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));

    _mm_storeu_si128((__m128i *)to, bytes);
    return (unsigned)_mm_movemask_epi8(bad) & (length < 16 ? (1u << length) - 1 : 0xffff);
}

#else

static inline unsigned copy_block(uint8_t *to, const uint8_t *from, size_t length)
{
    unsigned bad = 0;

    for (size_t i = 0; i < length && i < 16; i++) {
        to[i] = from[i];
        bad |= (unsigned)!is_clean_byte(from[i]) << i;
    }
    return bad;
}

#endif

uint8_t *put_escaped_slow(uint8_t *at, struct slice text, enum writer_style style, bool *has_binary)
{
    const uint8_t *from = text.data, *end = text.data + text.length;

    while (from < end) {
        size_t left = (size_t)(end - from), used = left < 16 ? left : 16;
        unsigned bad = copy_block(at, from, left);

        if (bad)
            used = (size_t)__builtin_ctz(bad);
        from += used;
        at += used;
        while (from < end && !is_clean_byte(*from)) {
            if (*from == '"' && style == WRITER_QUOTED) { /* most are */
                memcpy(at, "\\\"", 2);
                at += 2;
                from++;
                continue;
            }
            at += put_character(at, from, (size_t)(end - from), style, &used, has_binary);
            from += used;
        }
    }
    return at;
}

/* The buffer's maximum leaves no room for the worst case: asks for room character by character. */
static void escape_tightly(struct writer *writer, struct slice text, enum writer_style style)
{
    uint8_t output[12];
    size_t used;

    for (size_t done = 0; done < text.length && !writer->error; done += used) {
        size_t length = put_character(output, text.data + done, text.length - done, style, &used,
                                      &writer->has_binary);

        writer_bytes(writer, output, length);
    }
}

void writer_escaped(struct writer *writer, struct slice text, enum writer_style style)
{
    size_t most = text.length * PUT_ESCAPED_FACTOR + PUT_SLACK;
    struct buffer *buffer = writer->buffer;
    uint8_t *at;

    if (writer->error || !text.length)
        return;
    if (buffer->length + most > buffer->maximum) {
        escape_tightly(writer, text, style);
        return;
    }
    at = writer_room(writer, most);
    if (at)
        writer_advance(writer, (size_t)(put_escaped(at, text, style, &writer->has_binary) - at));
}
