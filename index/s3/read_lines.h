/* The headers of an object's answer. The index sends them itself, or has the front do it, which
 * fetches the object from a volume: then most of them travel in the redirect, as
 * templates/index.conf.in tells.
 *
 *     X-Accel-Redirect: /_mkv/object/ADDRESS/PATH%0D%0Ax-amz-meta-a%3A%20b...
 *
 * That is header splitting on purpose, so that no other way may lead there: each line is checked
 * here, wherever its bytes came from. */
#ifndef MKV_S3_READ_LINES_H
#define MKV_S3_READ_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "index/http/http.h"

/* Of the redirect and of the headers beside it: nginx takes a head of 16 KiB from the index, and
 * the lines that each answer has come on top. */
#define READ_LINES_MAX (15 * 1024)

/* How many "/.." may be in a redirect: nginx refuses "/../", so each is broken by a byte that the
 * front takes out again. */
#define READ_LINES_BREAKS 5

struct read_lines {
    struct http_request *request;
    bool by_front;
    unsigned breaks;
    unsigned missing; /* lines that there was no room for */
    size_t len;       /* of the redirect */
    size_t head_len;  /* bytes of the headers beside it */
    char uri[READ_LINES_MAX];
};

/* The front fetches the blob: `path` is its path at the volume that answers at `address`. Or, when
 * they are NULL, the request is answered by the index. */
void read_lines_begin(struct read_lines *lines, struct http_request *request, const char *address,
                      const char *path);

/* Adds a header: `name` is terminated, the value is `len` bytes. One with a control byte, which no
 * header can have, is left out. */
void read_lines_add(struct read_lines *lines, const char *name, const char *value, size_t len);

/* All were added: answers, if the front does the rest. */
void read_lines_redirect(struct read_lines *lines);

#endif
