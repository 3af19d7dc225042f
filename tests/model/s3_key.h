/* Keys that all clients change at once by S3: PUTs, copies, Completes and DELETEs, with conditions
 * and without. What everybody has seen of such a key is kept, to be checked at the end (history.h).
 * A version's value, its ETag and its x-amz-meta-version follow from its number, so a GET must show
 * all three. */
#ifndef MKV_TESTS_MODEL_S3_KEY_H
#define MKV_TESTS_MODEL_S3_KEY_H

#include "tests/model/shared.h"

#define S3_KEYS_MAX  64
#define S3_BUCKET    "/history" /* of the keys, which are numbers there */
#define S3_SOURCES   "/sources" /* of what is copied to them: a key of each client */
#define S3_ETAG_SIZE 40         /* "<32 hex digits>-1", with the quotes and a NUL */

/* What a client has last seen of a key. */
struct s3_seen {
    unsigned version; /* 0: nothing */
    char etag[S3_ETAG_SIZE];
};

struct s3_client {
    struct client client;
    unsigned number;
    char headers[512]; /* of its request */
    struct s3_seen seen[S3_KEYS_MAX];
};

/* How often what happened, beside what `tally` counts. */
struct s3_tally {
    atomic_ulong completes, copies, pages;
    atomic_ulong creations, matches; /* with If-None-Match, with If-Match */
    atomic_ulong failed, conflicts;  /* conditions that didn't hold; 409 */
};

extern struct s3_tally s3_tally;

void s3_key_init(struct shared_key *keys, unsigned number);

/* Does something to the key of that number, at random. */
void s3_key_act(struct s3_client *s3, struct shared_key *keys, unsigned number);

/* When all is well again: GETs it, which must be possible. */
void s3_key_look_at(struct s3_client *s3, struct shared_key *keys, unsigned number);

/* --- For lists (s3_list.h) ------------------------------------------------------------------- */

/* Asks for the path with this query, and with the client's headers: the status, or 0. */
int s3_ask(struct s3_client *s3, const char *path, const char *method, const char *query,
           const char *value, size_t n);

/* It isn't known what has happened. */
bool s3_has_failed(int status);

/* The version of a key that has this ETag and this size, or 0. */
unsigned s3_key_version(struct s3_client *s3, const struct shared_key *key, const char *etag,
                        size_t size);

#endif
