/* SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104). Nothing here can fail. */
#ifndef MKV_BASE_SHA256_H
#define MKV_BASE_SHA256_H

#include <openssl/sha.h>
#include <stddef.h>

#define SHA256_SIZE     32
#define SHA256_HEX_SIZE (2 * SHA256_SIZE + 1) /* as digits, with a NUL */

/* A hash in the making. */
struct sha256 {
    SHA256_CTX state;
};

void sha256_begin(struct sha256 *sha256);
void sha256_add(struct sha256 *sha256, const void *bytes, size_t n);
/* Writes the hash of what was added; sha256_begin() comes next. */
void sha256_finish(struct sha256 *sha256, unsigned char hash[SHA256_SIZE]);

/* The hash of `n` bytes. */
void sha256_of(const void *bytes, size_t n, unsigned char hash[SHA256_SIZE]);

/* The hash of `n` bytes, as lower-case digits. */
void sha256_hex(const void *bytes, size_t n, char digits[SHA256_HEX_SIZE]);

/* The code of `n` bytes under a key of any length. `mac` may be the key. Leaves no copy of the key
 * after. */
void sha256_hmac(const void *key, size_t key_len, const void *bytes, size_t n,
                 unsigned char mac[SHA256_SIZE]);

#endif
