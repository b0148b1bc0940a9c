/* body_compression: gzip (RFC 1952) zstd (RFC 8878) or snappy of a body as a whole. */
#pragma once
#include "base/buffer.h"

struct body_compressor;

/* `how`: none, gzip, zstd, snappy. 0 or -ENOMEM. */
int body_compressor_new(const char *how, struct body_compressor **ret_compressor);
void body_compressor_free(struct body_compressor **compressor);

/* The value of Content-Encoding; NULL: nothing is done to bodies. */
const char *body_compressor_encoding(const struct body_compressor *compressor);
/* The body compressed, which stays until the next one; or the body itself. 0 or -errno. */
int body_compress(struct body_compressor *compressor, struct slice body, struct slice *ret_body);
