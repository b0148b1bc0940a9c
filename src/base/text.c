/* text: numbers, and bytes in the encodings of RFC 4648. */
#include "base/text.h"

void text_add_number(struct text *text, uint64_t number, unsigned digits)
{
    uint8_t reversed[20];
    unsigned count = 0;

    do {
        reversed[count++] = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number || (count < digits && count < sizeof(reversed)));
    while (count)
        text_add_byte(text, reversed[--count]);
}

void text_add_hex(struct text *text, uint64_t number, unsigned digits)
{
    while (digits--)
        text_add_byte(text, (uint8_t) "0123456789abcdef"[number >> (digits * 4) & 15]);
}

void text_add_hex_bytes(struct text *text, struct slice bytes)
{
    for (size_t i = 0; i < bytes.length && !text->is_cut; i++)
        text_add_hex(text, bytes.data[i], 2);
}

/* The bits in order, `bits` of them a symbol. */
static void add_symbols(struct text *text, struct slice bytes, const char *alphabet, unsigned bits,
                        uint8_t padding)
{
    uint32_t gathered = 0;
    unsigned have = 0, symbols = 0;

    for (size_t i = 0; i < bytes.length && !text->is_cut; i++) {
        gathered = gathered << 8 | bytes.data[i];
        for (have += 8; have >= bits; symbols++) {
            have -= bits;
            text_add_byte(text, (uint8_t)alphabet[gathered >> have & ((1u << bits) - 1)]);
        }
    }
    if (have) {
        text_add_byte(text, (uint8_t)alphabet[gathered << (bits - have) & ((1u << bits) - 1)]);
        symbols++;
    }
    for (; padding && symbols % 4; symbols++)
        text_add_byte(text, padding);
}

void text_add_base64(struct text *text, struct slice bytes)
{
    add_symbols(text, bytes, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 6,
                '=');
}

void text_add_base32hex(struct text *text, struct slice bytes)
{
    add_symbols(text, bytes, "0123456789ABCDEFGHIJKLMNOPQRSTUV", 5, 0);
}
