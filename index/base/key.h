/* Keys as requests name them. */
#ifndef MKV_BASE_KEY_H
#define MKV_BASE_KEY_H

#include <stdbool.h>
#include <stddef.h>

#define KEY_NATIVE_MAX 1025 /* bytes of a key of the native API: its slash and 1,024 more */

/* Bytes of any key. The longest are those that S3's uploads have, "/_mkv/s3/upload/BUCKET/KEY/ID":
 * a bucket has up to 63 bytes, a key of S3 1,024, an id 32. An object of S3 is "/BUCKET/KEY". */
#define KEY_MAX (16 + 63 + 1 + 1024 + 1 + 32)

struct key {
    size_t len;          /* 2 to KEY_MAX */
    char bytes[KEY_MAX]; /* the first is '/'; any but NUL; not terminated */
};

/* Decodes the percent-encoded path of a request of the native API (RFC 3986, section 2.1) into a
 * key of at most KEY_NATIVE_MAX bytes. '+', "//" and ".." are bytes like any other. Returns NULL
 * and *key; or what is wrong with the path, one line of static text for the client, and *key is
 * undefined. */
const char *key_decode(const char *path, size_t len, struct key *key);

/* The same of any key, as files name it. */
const char *key_decode_any(const char *path, size_t len, struct key *key);

/* Whether it is "/_mkv" or below that, which is mkv's own: no request can name it, and no listing
 * has it. */
bool key_is_reserved(const void *key, size_t len);

#define KEY_RESERVED     "/_mkv/" /* all keys below, which are not a few, begin so, */
#define KEY_RESERVED_END "/_mkv0" /* and this comes after them */

#endif
