/* Keys as requests name them. */
#ifndef MKV_BASE_KEY_H
#define MKV_BASE_KEY_H

#include <stdbool.h>
#include <stddef.h>

#define KEY_MAX 1025 /* bytes of a key: its leading slash and 1,024 more */

struct key {
    size_t len;          /* 2 to KEY_MAX */
    char bytes[KEY_MAX]; /* the first is '/'; any but NUL; not terminated */
};

/* Decodes the percent-encoded path of a request (RFC 3986, section 2.1) into a key. '+', "//" and
 * ".." are bytes like any other. Returns NULL and *key; or what is wrong with the path, one line of
 * static text for the client, and *key is undefined. */
const char *key_decode(const char *path, size_t len, struct key *key);

/* Whether it is "/_mkv" or below that, which is mkv's own: no request can name it, and no listing
 * has it. */
bool key_is_reserved(const void *key, size_t len);

#endif
