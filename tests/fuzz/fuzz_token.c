/* Any bytes as a list's token, which one that is taken is the only form of; and any bytes as a key,
 * whose token is read back. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "index/s3/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_read(const char *token, size_t n)
{
    char again[TOKEN_MAX];
    char key[TOKEN_KEY_MAX];
    enum token_kind kind;
    size_t len;

    if (token_read(token, n, &kind, key, &len) != S3_OK)
        return;
    if (len == 0 || len > sizeof(key) || memchr(key, '\0', len) != NULL ||
        token_write(kind, key, len, again) != n || memcmp(again, token, n) != 0)
        abort();
}

static void check_write(enum token_kind kind, const char *bytes, size_t len)
{
    char token[TOKEN_MAX];
    char key[TOKEN_KEY_MAX];
    enum token_kind read_kind;
    size_t read_len;
    size_t n;

    if (len == 0 || len > TOKEN_KEY_MAX || memchr(bytes, '\0', len) != NULL)
        return;
    n = token_write(kind, bytes, len, token);
    if (n == 0 || n > sizeof(token) || token_read(token, n, &read_kind, key, &read_len) != S3_OK ||
        read_kind != kind || read_len != len || memcmp(key, bytes, len) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_read((const char *)data, size);
    check_write(TOKEN_AFTER_KEY, (const char *)data, size);
    check_write(TOKEN_AFTER_PREFIX, (const char *)data, size);
    return 0;
}
