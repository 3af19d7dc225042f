/* libcrypto calls these functions deprecated. Its newer ones take two and a half times as long for
 * the few bytes of a key, and need memory, which may be short. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "index/base/md5.h"

void md5_begin(struct md5 *md5)
{
    md5->is_begun = true;
    MD5_Init(&md5->state);
}

void md5_add(struct md5 *md5, const void *bytes, size_t n)
{
    MD5_Update(&md5->state, bytes, n);
}

void md5_finish(struct md5 *md5, unsigned char hash[MD5_SIZE])
{
    MD5_Final(hash, &md5->state);
    md5->is_begun = false;
}

void md5_of(const void *bytes, size_t n, unsigned char hash[MD5_SIZE])
{
    MD5(bytes, n, hash);
}
