/* What somebody may do in which bucket, below which prefix: the grants of the keys file. The native
 * API's key "/a/b/c" is the object "b/c" of the bucket "a"; a grant means the same for both. */
#ifndef MKV_ACCESS_GRANTS_H
#define MKV_ACCESS_GRANTS_H

#include <stdbool.h>
#include <stddef.h>

enum access_right {
    ACCESS_READ = 1,    /* r: read objects, and list them */
    ACCESS_WRITE = 2,   /* w: write and delete objects */
    ACCESS_BUCKETS = 4, /* c: create and delete buckets */
    ACCESS_ADMIN = 8,   /* a: see how the index is, on its admin port; of all or none, "a:*" */
};

struct grant {
    unsigned rights;    /* enum access_right, or'ed */
    const char *bucket; /* borrowed; NULL for all of them, or with `is_path` */
    bool is_path;       /* `prefix` is of the native API's keys, with their slash */
    const char *prefix; /* borrowed, any bytes, not terminated */
    size_t prefix_len;
};

/* Reads "RIGHTS:BUCKET[/PREFIX]", "RIGHTS:*", or "RIGHTS:/PREFIX" for all keys that begin with
 * "/PREFIX", be they in a bucket or, as "/hello" is, in none. In PREFIX "%XX" stands for a byte
 * that can't be written there, such as a space. `text` is changed, and *grant points into it. NULL;
 * or what is wrong, static text for people, and *grant is undefined. */
const char *grant_parse(char *text, struct grant *grant);

/* Whether it allows this right to the key, which may be the prefix of a listing: then the grant is
 * good for each key that begins with it. No bytes stand for the bucket itself. */
bool grant_allows(const struct grant *grant, enum access_right right, const char *bucket,
                  const char *key, size_t key_len);

/* The same of a key of the native API, or of the prefix of a listing: `len` bytes from its slash
 * on.
 */
bool grant_allows_path(const struct grant *grant, enum access_right right, const char *path,
                       size_t len);

/* Whether it has to do with anything in the bucket. */
bool grant_touches(const struct grant *grant, const char *bucket);

#endif
