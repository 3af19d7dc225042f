/* One request that changes a key: what PUT, DELETE, UNLINK and the reclaimer have in common. While
 * it runs it holds the key, so that no other one starts, and counts in the api's n_operations; it
 * may outlive its request. */
#ifndef MKV_API_OPERATION_H
#define MKV_API_OPERATION_H

#include "index/api/api.h"

/* The first member of an operation's struct. */
struct operation {
    struct api *api;
    struct http_request *request; /* NULL once it is answered, the client gone, or without one */
    struct key key;
    struct store_commit commit;
};

/* Makes a struct of `size` bytes, all zero but for its first member, a struct operation, and takes
 * hold of a copy of the key. NULL when another operation holds that (409) or memory is short (503),
 * and then `request`, unless NULL, has its answer. */
void *operation_new(size_t size, struct api *api, struct http_request *request,
                    const struct key *key);

/* Counts something in the api's n_operations that holds no key, and takes it out again. */
void operation_count(struct api *api);
void operation_uncount(struct api *api);

/* Drops the request's body, and forgets the request when the client goes. */
void operation_drop_body(struct operation *op);

/* Lets go of the key, frees the whole struct and returns the request that is still to be answered,
 * or NULL. Answering comes last: it may run the client's next request, which finds the key free. */
struct http_request *operation_end(struct operation *op);

/* Ends it and answers: 204, or that the store failed with `rc`. */
void operation_finish(struct operation *op, int rc);

/* Answers that the store failed with `rc`. */
void operation_respond_failure(struct http_request *request, int rc);

#endif
