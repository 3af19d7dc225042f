/* Keys as requests name them. */
#ifndef MKV_BASE_KEY_H
#define MKV_BASE_KEY_H

#include <stdbool.h>
#include <stddef.h>

#define KEY_NATIVE_MAX 1025 /* bytes of a key of the native API: its slash and 1,024 more */

/* A part of an S3 upload is KEY_PARTS, KEY_PART_ID bytes and the object's key, "/BUCKET/KEY". */
#define KEY_PARTS   "/_mkv/s3/part/"
#define KEY_PART_ID 38 /* an id of 32 bytes, '/', and the part's number in 5 digits */

/* Bytes of any key. The longest are those of parts: a bucket has up to 63 bytes, a key of S3
 * 1,024. */
#define KEY_MAX (14 + KEY_PART_ID + 1 + 63 + 1 + 1024)

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

/* The bytes that say which volumes are to have the key's value: all of them, but of a part's key
 * its object's, so that volumes can make the object of what they have. Points into `key`, and sets
 * *n. */
const void *key_to_place(const void *key, size_t len, size_t *n);

#define KEY_RESERVED     "/_mkv/" /* all keys below, which are not a few, begin so, */
#define KEY_RESERVED_END "/_mkv0" /* and this comes after them */

#endif
