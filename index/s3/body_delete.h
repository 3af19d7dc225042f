/* The body of DeleteObjects: the keys of one bucket that are to go. */
#ifndef MKV_S3_BODY_DELETE_H
#define MKV_S3_BODY_DELETE_H

#include <stdbool.h>
#include <stddef.h>

#include "index/s3/error.h"

#define BODY_DELETE_KEYS_MAX 1000

/* Bytes: 1,000 keys of 1,024 bytes, of which a reference can make six characters each, and 86 for
 * what is around each. */
#define BODY_DELETE_MAX (BODY_DELETE_KEYS_MAX * (6 * 1024 + 86))

/* The bytes live as long as the body, and end with a NUL. */
struct delete_entry {
    const char *key;     /* perhaps longer than a key can be: XML_IN_TEXT_MAX at most */
    size_t key_len;      /* 1 at least */
    const char *etag;    /* that the object must have, as sent; NULL: any */
    const char *version; /* as sent; NULL: none, and so is "null" */
};

struct body_delete;

/* NULL when memory is short. */
struct body_delete *body_delete_new(void);

/* Reads some bytes of the body, and its end. S3_OK, or what is wrong, and the same from then on:
 *   S3_MALFORMED_XML    it isn't that, or has no key, an empty one or more than 1,000;
 *   S3_NOT_IMPLEMENTED  it has a condition that is known from Amazon, but not here: time or size;
 *   S3_INTERNAL_ERROR   memory is short. */
enum s3_error body_delete_add(struct body_delete *body, const char *bytes, size_t n);
enum s3_error body_delete_end(struct body_delete *body);

/* After body_delete_end() said S3_OK. */
bool body_delete_is_quiet(const struct body_delete *body); /* the answer lists failures alone */
unsigned body_delete_count(const struct body_delete *body);
struct delete_entry body_delete_entry(const struct body_delete *body, unsigned i);

/* NULL does nothing. */
void body_delete_free(struct body_delete *body);

#endif
