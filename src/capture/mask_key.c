/*
 * mask_key: the HMAC key as the kernel side needs it: the SHA-256 states behind the two pads
 * (RFC 2104 §4), so that the key itself never enters a map.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* the states are not to be had through EVP */
#include <openssl/sha.h>
#include "capture/program.h"

static void state_behind(const uint8_t key[SHA256_CBLOCK], uint8_t pad, __u32 ret_state[8])
{
    uint8_t block[SHA256_CBLOCK];
    SHA256_CTX context;

    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = key[i] ^ pad;
    SHA256_Init(&context);
    SHA256_Update(&context, block, sizeof(block));
    for (int i = 0; i < 8; i++)
        ret_state[i] = context.h[i];
    memset(block, 0, sizeof(block));
    memset(&context, 0, sizeof(context));
}

void mask_key_states(struct slice key, struct weir_hmac_key *ret_key)
{
    uint8_t padded[SHA256_CBLOCK] = {0};

    if (key.length > sizeof(padded))
        SHA256(key.data, key.length, padded);
    else if (key.length)
        memcpy(padded, key.data, key.length);
    state_behind(padded, 0x36, ret_key->inner);
    state_behind(padded, 0x5c, ret_key->outer);
    memset(padded, 0, sizeof(padded));
}
