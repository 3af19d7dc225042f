/* What somebody may do in which bucket, below which prefix: the grants of the keys file. */
#ifndef MKV_ACCESS_GRANTS_H
#define MKV_ACCESS_GRANTS_H

#include <stdbool.h>
#include <stddef.h>

enum access_right {
    ACCESS_READ = 1,    /* r: read objects, and list them */
    ACCESS_WRITE = 2,   /* w: write and delete objects */
    ACCESS_BUCKETS = 4, /* c: create and delete buckets */
};

struct grant {
    unsigned rights;    /* enum access_right, or'ed */
    const char *bucket; /* borrowed; NULL for all of them */
    const char *prefix; /* borrowed, any bytes, not terminated */
    size_t prefix_len;
};

/* Reads "RIGHTS:BUCKET[/PREFIX]" or "RIGHTS:*". In PREFIX "%XX" stands for a byte that can't be
 * written there, such as a space. `text` is changed, and *grant points into it. NULL; or what is
 * wrong, static text for people, and *grant is undefined. */
const char *grant_parse(char *text, struct grant *grant);

/* Whether it allows this right to the key, which may be the prefix of a listing: then the grant is
 * good for each key that begins with it. No bytes stand for the bucket itself. */
bool grant_allows(const struct grant *grant, enum access_right right, const char *bucket,
                  const char *key, size_t key_len);

#endif
