/*
 * quic_crypto: the protection of Initial packets, whose keys follow from bytes that everyone sees
 * (RFC 9001 §5.2, RFC 9369 §3.3): HKDF (RFC 5869), AES-128-GCM, and AES-128 for the header.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include "parse/quic.h"

enum { NUMBER_MAXIMUM = 4, SAMPLE_SIZE = 16, LABEL_MAXIMUM = 32 };

static bool extract(const uint8_t salt[20], struct slice id, uint8_t secret[DIGEST_SHA256_SIZE])
{
    static const uint8_t none[1];

    return HMAC(EVP_sha256(), salt, 20, id.data ? id.data : none, id.length, secret, NULL);
}

/* HKDF-Expand-Label (RFC 8446 §7.1) without a context; `length` is at most one digest. */
static bool expand(const uint8_t secret[DIGEST_SHA256_SIZE], const char *label, size_t length,
                   uint8_t *ret_bytes)
{
    static const char prefix[] = "tls13 ";
    uint8_t info[4 + sizeof(prefix) + LABEL_MAXIMUM] = {0}, block[DIGEST_SHA256_SIZE];
    size_t prefix_length = sizeof(prefix) - 1, label_length = strlen(label), at = 3;

    info[1] = (uint8_t)length;
    info[2] = (uint8_t)(prefix_length + label_length);
    memcpy(info + at, prefix, prefix_length);
    memcpy(info + at + prefix_length, label, label_length);
    at += prefix_length + label_length + 1; /* and an empty context */
    info[at++] = 1;
    if (!HMAC(EVP_sha256(), secret, DIGEST_SHA256_SIZE, info, at, block, NULL))
        return false;
    memcpy(ret_bytes, block, length);
    return true;
}

bool quic_keys_derive(const struct quic_version *version, struct slice id, bool is_client,
                      struct quic_keys *ret_keys)
{
    uint8_t initial[DIGEST_SHA256_SIZE], secret[DIGEST_SHA256_SIZE];

    return extract(version->salt, id, initial) &&
           expand(initial, is_client ? "client in" : "server in", sizeof(secret), secret) &&
           expand(secret, version->is_2 ? "quicv2 key" : "quic key", QUIC_KEY_SIZE,
                  ret_keys->key) &&
           expand(secret, version->is_2 ? "quicv2 iv" : "quic iv", QUIC_IV_SIZE, ret_keys->iv) &&
           expand(secret, version->is_2 ? "quicv2 hp" : "quic hp", QUIC_KEY_SIZE, ret_keys->header);
}

/* RFC 9001 §5.4.3: the mask is the sample, encrypted. */
static bool make_mask(EVP_CIPHER_CTX *context, const uint8_t key[QUIC_KEY_SIZE],
                      const uint8_t sample[SAMPLE_SIZE], uint8_t mask[SAMPLE_SIZE])
{
    int length = 0;

    return EVP_EncryptInit_ex(context, EVP_aes_128_ecb(), NULL, key, NULL) == 1 &&
           EVP_CIPHER_CTX_set_padding(context, 0) == 1 &&
           EVP_EncryptUpdate(context, mask, &length, sample, SAMPLE_SIZE) == 1;
}

/* AES-128-GCM; the tag is the last of `sealed`. */
static bool unseal(EVP_CIPHER_CTX *context, const struct quic_keys *keys,
                   const uint8_t nonce[QUIC_IV_SIZE], struct slice head, struct slice sealed,
                   uint8_t *plain)
{
    uint8_t tag[QUIC_TAG_SIZE];
    size_t length = sealed.length - QUIC_TAG_SIZE;
    int written = 0;

    memcpy(tag, sealed.data + length, sizeof(tag));
    return EVP_DecryptInit_ex(context, EVP_aes_128_gcm(), NULL, keys->key, nonce) == 1 &&
           EVP_DecryptUpdate(context, NULL, &written, head.data, (int)head.length) == 1 &&
           EVP_DecryptUpdate(context, plain, &written, sealed.data, (int)length) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, QUIC_TAG_SIZE, tag) == 1 &&
           EVP_DecryptFinal_ex(context, plain + length, &written) == 1;
}

static bool open_packet(EVP_CIPHER_CTX *context, const struct quic_keys *keys,
                        const struct quic_packet *packet, uint8_t *plain, struct slice *ret_frames)
{
    struct slice bytes = packet->bytes;
    size_t at = packet->number_at;
    uint8_t mask[SAMPLE_SIZE], nonce[QUIC_IV_SIZE];

    if (!make_mask(context, keys->header, bytes.data + at + NUMBER_MAXIMUM, mask))
        return false;
    /* The header without its protection stands before the plain text. */
    uint8_t *head = plain;
    size_t number_length = ((bytes.data[0] ^ mask[0]) & 3) + 1u, head_length = at + number_length;
    if (bytes.length < head_length + QUIC_TAG_SIZE)
        return false;
    memcpy(head, bytes.data, head_length);
    head[0] ^= mask[0] & 0x0f;
    memcpy(nonce, keys->iv, sizeof(nonce));
    for (size_t i = 0; i < number_length; i++) {
        head[at + i] ^= mask[1 + i];
        nonce[QUIC_IV_SIZE - number_length + i] ^= head[at + i];
    }
    struct slice sealed = slice_part(bytes, head_length, SIZE_MAX);
    if (!unseal(context, keys, nonce, slice_of(head, head_length), sealed, plain + head_length))
        return false;
    *ret_frames = slice_of(plain + head_length, sealed.length - QUIC_TAG_SIZE);
    return true;
}

bool quic_keys_open(const struct quic_keys *keys, const struct quic_packet *packet, uint8_t *plain,
                    struct slice *ret_frames)
{
    EVP_CIPHER_CTX *context;
    bool is_good;

    if (packet->bytes.length < packet->number_at + NUMBER_MAXIMUM + SAMPLE_SIZE)
        return false;
    context = EVP_CIPHER_CTX_new();
    is_good = context && open_packet(context, keys, packet, plain, ret_frames);
    EVP_CIPHER_CTX_free(context);
    return is_good;
}
