/*
 * crc32c: polynomial 0x1edc6f41, reflected. Where the processor has no instruction for it, eight
 * bytes at a time by tables that are made at the first use.
 */
#include "base/crc32c.h"
#include <pthread.h>

enum { TABLES = 8, POLYNOMIAL_BITS = 8 };

static uint32_t tables[TABLES][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;

        for (int bit = 0; bit < POLYNOMIAL_BITS; bit++)
            value = value >> 1 ^ (value & 1 ? 0x82f63b78u : 0);
        tables[0][i] = value;
    }
    for (int table = 1; table < TABLES; table++)
        for (uint32_t i = 0; i < 256; i++)
            tables[table][i] = tables[table - 1][i] >> 8 ^ tables[0][tables[table - 1][i] & 255];
}

static uint32_t by_tables(uint32_t crc, const uint8_t *data, size_t length)
{
    pthread_once(&once, make_tables);
    for (; length >= 8; data += 8, length -= 8) {
        uint32_t low = crc ^ ((uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
                              (uint32_t)data[3] << 24);

        crc = tables[7][low & 255] ^ tables[6][low >> 8 & 255] ^ tables[5][low >> 16 & 255] ^
              tables[4][low >> 24] ^ tables[3][data[4]] ^ tables[2][data[5]] ^ tables[1][data[6]] ^
              tables[0][data[7]];
    }
    for (; length; data++, length--)
        crc = crc >> 8 ^ tables[0][(crc ^ *data) & 255];
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const uint8_t *data,
                                                                 size_t length)
{
    uint64_t wide = crc;

    for (; length >= 8; data += 8, length -= 8) {
        uint64_t word;

        memcpy(&word, data, 8);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    for (; length; data++, length--)
        crc = __builtin_ia32_crc32qi(crc, *data);
    return crc;
}
#endif

uint32_t crc32c(uint32_t before, struct slice bytes)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~by_instruction(~before, bytes.data, bytes.length);
#endif
    return ~by_tables(~before, bytes.data, bytes.length);
}
