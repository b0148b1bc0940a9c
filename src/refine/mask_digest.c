/*
 * mask_digest: RFC 2104 and FIPS 180-4 through OpenSSL 3's EVP_MAC; the context keeps the key's
 * state, so a value costs only its own blocks. A unit test checks it against RFC 4231.
 */
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include "base/allocate.h"
#include "refine/mask_digest.h"

struct mask_digest {
    EVP_MAC *method;
    EVP_MAC_CTX *context;
};

void mask_digest_free(struct mask_digest **digest)
{
    if (!*digest)
        return;
    EVP_MAC_CTX_free((*digest)->context);
    EVP_MAC_free((*digest)->method);
    deallocate(*digest);
    *digest = NULL;
}

int mask_digest_new(struct slice key, struct mask_digest **ret_digest)
{
    struct mask_digest *digest;
    char hash[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, hash, 0),
        OSSL_PARAM_construct_end(),
    };

    if (!key.length)
        return -EINVAL;
    digest = allocate_zeroed(sizeof(*digest));
    if (!digest)
        return -ENOMEM;
    digest->method = EVP_MAC_fetch(NULL, "HMAC", NULL);
    digest->context = digest->method ? EVP_MAC_CTX_new(digest->method) : NULL;
    if (!digest->context || !EVP_MAC_init(digest->context, key.data, key.length, parameters)) {
        mask_digest_free(&digest);
        return -ENOMEM;
    }
    *ret_digest = digest;
    return 0;
}

int mask_digest_compute(struct mask_digest *digest, struct slice text, uint64_t *ret_value)
{
    unsigned char mac[32];
    size_t length = 0;
    uint64_t value = 0;

    if (!EVP_MAC_init(digest->context, NULL, 0, NULL) ||
        !EVP_MAC_update(digest->context, text.data, text.length) ||
        !EVP_MAC_final(digest->context, mac, &length, sizeof(mac)) || length != sizeof(mac))
        return -EIO;
    for (size_t i = 0; i < 8; i++)
        value = value << 8 | mac[i];
    *ret_value = value;
    return 0;
}
