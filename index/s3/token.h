/* The token by which a client asks for the next page of a list: where that page begins. */
#ifndef MKV_S3_TOKEN_H
#define MKV_S3_TOKEN_H

#include <stddef.h>

#include "index/base/base64.h"
#include "index/s3/error.h"

enum token_kind {
    TOKEN_AFTER_KEY = 'k',    /* right after the key */
    TOKEN_AFTER_PREFIX = 'p', /* after all keys that begin with these bytes */
};

#define TOKEN_KEY_MAX 1200 /* bytes of the key or prefix, of which there is at least one */
#define TOKEN_MAX     BASE64_SIZE(1 + TOKEN_KEY_MAX + 4)

/* Writes the token, letters, digits, '-' and '_', without a NUL, and returns its length; `len` is 1
 * to TOKEN_KEY_MAX. */
size_t token_write(enum token_kind kind, const char *key, size_t len, char token[TOKEN_MAX]);

/* Reads it into *kind and `key`. S3_OK, or S3_INVALID_ARGUMENT unless token_write() makes it of
 * them; they are undefined then. */
enum s3_error token_read(const char *token, size_t token_len, enum token_kind *kind,
                         char key[TOKEN_KEY_MAX], size_t *len);

#endif
