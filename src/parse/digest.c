/* digest: MD5 (RFC 1321), SHA-1 and SHA-256 (FIPS 180-4) of fingerprints, through libcrypto. */
#include <openssl/evp.h>
#include "parse/tls.h"

static bool make(struct slice bytes, const EVP_MD *method, uint8_t *ret_digest)
{
    return EVP_Digest(bytes.data ? (const void *)bytes.data : "", bytes.length, ret_digest, NULL,
                      method, NULL) == 1;
}

bool digest_md5(struct slice bytes, uint8_t ret_digest[DIGEST_MD5_SIZE])
{
    return make(bytes, EVP_md5(), ret_digest);
}

bool digest_sha1(struct slice bytes, uint8_t ret_digest[DIGEST_SHA1_SIZE])
{
    return make(bytes, EVP_sha1(), ret_digest);
}

bool digest_sha256(struct slice bytes, uint8_t ret_digest[DIGEST_SHA256_SIZE])
{
    return make(bytes, EVP_sha256(), ret_digest);
}
