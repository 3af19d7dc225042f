/* Base64 of the kind, the key and a CRC-32C of both, which finds what was cut or mistyped; in the
 * alphabet for URLs (RFC 4648, section 5) and without padding, for clients that don't encode it. A
 * client can make any token: that is no more than naming a key to start after. */
#include "index/s3/token.h"

#include <assert.h>
#include <string.h>

#include "index/base/codec.h"
#include "index/base/crc32c.h"

#define CRC_SIZE 4

size_t token_write(enum token_kind kind, const char *key, size_t len, char token[TOKEN_MAX])
{
    unsigned char bytes[1 + TOKEN_KEY_MAX + CRC_SIZE];
    size_t n = 1 + len;

    assert(len > 0 && len <= TOKEN_KEY_MAX);
    bytes[0] = (unsigned char)kind;
    memcpy(bytes + 1, key, len);
    n += put_u32(bytes + n, crc32c(0, bytes, n));
    return base64url_encode(bytes, n, token);
}

/* Back to the usual alphabet, with padding. */
static size_t restore_base64(const char *token, size_t len, char text[TOKEN_MAX])
{
    for (size_t i = 0; i < len; i++) {
        text[i] = token[i];
        if (token[i] == '-')
            text[i] = '+';
        else if (token[i] == '_')
            text[i] = '/';
        else if (token[i] == '+' || token[i] == '/' || token[i] == '=')
            text[i] = ' '; /* no digit at all */
    }
    while (len % 4 != 0)
        text[len++] = '=';
    return len;
}

enum s3_error token_read(const char *token, size_t token_len, enum token_kind *kind,
                         char key[TOKEN_KEY_MAX], size_t *len)
{
    unsigned char bytes[TOKEN_MAX / 4 * 3];
    char text[TOKEN_MAX];
    size_t n;

    if (token_len > TOKEN_MAX)
        return S3_INVALID_ARGUMENT;
    n = restore_base64(token, token_len, text);
    if (base64_decode(text, n, bytes, &n) < 0 || n < 2 + CRC_SIZE ||
        n > 1 + TOKEN_KEY_MAX + CRC_SIZE)
        return S3_INVALID_ARGUMENT;
    n -= CRC_SIZE;
    if (load_u32(bytes + n) != crc32c(0, bytes, n) || memchr(bytes, '\0', n) != NULL ||
        (bytes[0] != TOKEN_AFTER_KEY && bytes[0] != TOKEN_AFTER_PREFIX))
        return S3_INVALID_ARGUMENT;
    *kind = (enum token_kind)bytes[0];
    *len = n - 1;
    memcpy(key, bytes + 1, *len);
    return S3_OK;
}
