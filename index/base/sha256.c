/* libcrypto calls these functions deprecated. As with MD5, its newer ones take longer for few
 * bytes, and need memory, which may be short. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "index/base/sha256.h"

#include <openssl/crypto.h>
#include <string.h>

#include "index/base/hex.h"

#define BLOCK_SIZE 64

void sha256_begin(struct sha256 *sha256)
{
    SHA256_Init(&sha256->state);
}

void sha256_add(struct sha256 *sha256, const void *bytes, size_t n)
{
    SHA256_Update(&sha256->state, bytes, n);
}

void sha256_finish(struct sha256 *sha256, unsigned char hash[SHA256_SIZE])
{
    SHA256_Final(hash, &sha256->state);
}

void sha256_of(const void *bytes, size_t n, unsigned char hash[SHA256_SIZE])
{
    struct sha256 sha256;

    sha256_begin(&sha256);
    sha256_add(&sha256, bytes, n);
    sha256_finish(&sha256, hash);
}

void sha256_hex(const void *bytes, size_t n, char digits[SHA256_HEX_SIZE])
{
    unsigned char hash[SHA256_SIZE];

    sha256_of(bytes, n, hash);
    hex_write(hash, sizeof(hash), digits);
}

/* Begins a hash with the key's block, each byte of it changed by `mask`. */
static void begin_with_key(struct sha256 *sha256, const unsigned char key[BLOCK_SIZE],
                           unsigned char mask)
{
    unsigned char block[BLOCK_SIZE];

    for (size_t i = 0; i < BLOCK_SIZE; i++)
        block[i] = key[i] ^ mask;
    sha256_begin(sha256);
    sha256_add(sha256, block, sizeof(block));
    OPENSSL_cleanse(block, sizeof(block));
}

void sha256_hmac(const void *key, size_t key_len, const void *bytes, size_t n,
                 unsigned char mac[SHA256_SIZE])
{
    unsigned char block[BLOCK_SIZE] = {0};
    struct sha256 sha256;

    if (key_len > BLOCK_SIZE)
        sha256_of(key, key_len, block);
    else
        memcpy(block, key, key_len);
    begin_with_key(&sha256, block, 0x36);
    sha256_add(&sha256, bytes, n);
    sha256_finish(&sha256, mac);
    begin_with_key(&sha256, block, 0x5c);
    sha256_add(&sha256, mac, SHA256_SIZE);
    sha256_finish(&sha256, mac);
    OPENSSL_cleanse(block, sizeof(block));
    OPENSSL_cleanse(&sha256, sizeof(sha256));
}
