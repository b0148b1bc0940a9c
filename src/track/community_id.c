/*
 * community_id: Community ID v1 (Corelight's specification): "1:" and the Base64 text of
 * the SHA-1 (RFC 3174) of seed, ends in order, protocol and ports. The input always fits one block.
 */
#include "track/flow.h"

static uint32_t rotate(uint32_t word, unsigned bits)
{
    return word << bits | word >> (32 - bits);
}

static void digest_block(const uint8_t block[64], uint8_t digest[20])
{
    uint32_t w[80], h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    for (size_t i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (size_t i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (size_t i = 0; i < 80; i++) {
        static const uint32_t constants[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
        uint32_t mixed = i < 20   ? (b & c) | (~b & d)
                         : i < 40 ? b ^ c ^ d
                         : i < 60 ? (b & c) | (b & d) | (c & d)
                                  : b ^ c ^ d;
        uint32_t sum = rotate(a, 5) + mixed + e + w[i] + constants[i / 20];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = sum;
    }
    uint32_t sums[5] = {h[0] + a, h[1] + b, h[2] + c, h[3] + d, h[4] + e};
    for (size_t i = 0; i < 20; i++)
        digest[i] = (uint8_t)(sums[i / 4] >> (24 - 8 * (i % 4)));
}

static size_t put(uint8_t *block, size_t length, const void *bytes, size_t count)
{
    memcpy(block + length, bytes, count);
    return length + count;
}

/* The smaller address, then the smaller port, comes first; a flow without answers keeps its order.
 */
static bool is_in_order(const struct flow_key *key, size_t size)
{
    int order = memcmp(key->ends[0].address.bytes, key->ends[1].address.bytes, size);
    return key->is_one_way || order < 0 || (order == 0 && key->ends[0].port <= key->ends[1].port);
}

static void put_text(const uint8_t digest[20], char text[COMMUNITY_ID_LENGTH])
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *at = text;
    *at++ = '1';
    *at++ = ':';
    for (size_t i = 0; i < 20; i += 3) {
        uint32_t group = (uint32_t)digest[i] << 16 | (uint32_t)digest[i + 1] << 8 |
                         (i + 2 < 20 ? digest[i + 2] : 0);
        *at++ = letters[group >> 18];
        *at++ = letters[group >> 12 & 63];
        *at++ = letters[group >> 6 & 63];
        *at++ = i + 2 < 20 ? letters[group & 63] : '=';
    }
}

void community_id_format(const struct flow_key *key, uint16_t seed, char text[COMMUNITY_ID_LENGTH])
{
    uint8_t block[64] = {0}, digest[20];
    size_t size = key->ends[0].address.family == ADDRESS_IPV4 ? 4 : 16;
    const struct endpoint *first = &key->ends[is_in_order(key, size) ? 0 : 1];
    const struct endpoint *second = &key->ends[is_in_order(key, size) ? 1 : 0];
    size_t length = put(block, 0, (uint8_t[]){(uint8_t)(seed >> 8), (uint8_t)seed}, 2);
    length = put(block, length, first->address.bytes, size);
    length = put(block, length, second->address.bytes, size);
    length = put(block, length, (uint8_t[]){key->protocol, 0}, 2);
    if (key->has_ports) {
        uint8_t ports[4] = {(uint8_t)(first->port >> 8), (uint8_t)first->port,
                            (uint8_t)(second->port >> 8), (uint8_t)second->port};
        length = put(block, length, ports, sizeof(ports));
    }
    block[length] = 0x80;
    block[62] = (uint8_t)(length * 8 >> 8);
    block[63] = (uint8_t)(length * 8);
    digest_block(block, digest);
    put_text(digest, text);
}
