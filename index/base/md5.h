/* MD5 (RFC 1321), which keys are placed by and values known by. It protects from accidents, not
 * from people. Nothing here can fail. */
#ifndef MKV_BASE_MD5_H
#define MKV_BASE_MD5_H

#include <openssl/md5.h>
#include <stdbool.h>
#include <stddef.h>

#define MD5_SIZE       16
#define MD5_SUFFIX_MAX 512

/* A hash in the making; all zero is none. */
struct md5 {
    bool is_begun;
    MD5_CTX state;
};

void md5_begin(struct md5 *md5);
void md5_add(struct md5 *md5, const void *bytes, size_t n);
/* Writes the hash of what was added, and makes it none. */
void md5_finish(struct md5 *md5, unsigned char hash[MD5_SIZE]);

/* The hashes of what was added followed by each of `n` strings, of MD5_SUFFIX_MAX bytes at most;
 * several times as fast as one by one. What was added stays as it is. */
void md5_finish_each(const struct md5 *md5, const char *const *suffixes, size_t n,
                     unsigned char (*hashes)[MD5_SIZE]);

/* The hash of `n` bytes. */
void md5_of(const void *bytes, size_t n, unsigned char hash[MD5_SIZE]);

#endif
