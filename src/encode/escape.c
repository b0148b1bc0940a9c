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

/* Copies whole blocks while they are clean; returns how many bytes. */
static inline size_t copy_clean(uint8_t *to, const uint8_t *from, size_t length)
{
    size_t done = 0;

    for (; length - done >= 16; done += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(from + done));
        /* signed comparison: bytes from 0x80 on are below the space, too */
        __m128i bad = _mm_or_si128(_mm_or_si128(_mm_cmplt_epi8(bytes, _mm_set1_epi8(' ')),
                                                _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f))),
                                   _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                                _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
        unsigned mask = (unsigned)_mm_movemask_epi8(bad);

        _mm_storeu_si128((__m128i *)(to + done), bytes);
        if (mask)
            return done + (size_t)__builtin_ctz(mask);
    }
    return done;
}

#else

static inline size_t copy_clean(uint8_t *to, const uint8_t *from, size_t length)
{
    (void)to, (void)from, (void)length;
    return 0;
}

#endif

static inline size_t copy_words(uint8_t *to, const uint8_t *from, size_t length)
{
    size_t done = 0;
    uint64_t word;

    for (; length - done >= 8; done += 8) {
        memcpy(&word, from + done, 8);
        if (put_word_is_odd(word))
            return done;
        memcpy(to + done, &word, 8);
    }
    if (done < length && length >= 8) {
        memcpy(&word, from + length - 8, 8);
        if (!put_word_is_odd(word)) {
            memcpy(to + length - 8, &word, 8);
            return length;
        }
    } else if (length >= 4 && done == 0) {
        uint32_t low, high;

        memcpy(&low, from, 4);
        memcpy(&high, from + length - 4, 4);
        if (!put_word_is_odd((uint64_t)high << 32 | low)) {
            memcpy(to, &low, 4);
            memcpy(to + length - 4, &high, 4);
            return length;
        }
    }
    return done;
}

uint8_t *put_escaped_slow(uint8_t *at, struct slice text, enum writer_style style, bool *has_binary)
{
    size_t done = 0, used;

    while (done < text.length) {
        size_t clean = copy_clean(at, text.data + done, text.length - done);

        clean += copy_words(at + clean, text.data + done + clean, text.length - done - clean);
        done += clean;
        at += clean;
        while (done < text.length && is_clean_byte(text.data[done]))
            *at++ = text.data[done++];
        if (done < text.length) {
            at += put_character(at, text.data + done, text.length - done, style, &used, has_binary);
            done += used;
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
