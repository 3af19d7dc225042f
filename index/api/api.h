/* What a request means: the native HTTP API over the objects. get.c, put.c, change.c (DELETE,
 * UNLINK, REBALANCE) and list.c are its verbs; api.c tells them apart. */
#ifndef MKV_API_H
#define MKV_API_H

#include <stdbool.h>
#include <stddef.h>

#include "index/base/key.h"
#include "index/http/http.h"
#include "index/objects/objects.h"

struct keys; /* index/access/keys.h */

struct access_auth;

struct api {
    struct objects *objects; /* borrowed */
    struct keys *keys;       /* held; NULL: anybody may do anything */
    const char *fallback;    /* "host:port", "https://host:port" or NULL, borrowed */
    bool protect;            /* only unlinked keys can be deleted */
    bool check_reads;        /* a GET looks whether the copy is there */
    bool only_reads;         /* a request that would change something is refused */
};

/* The methods that it serves, as the header Allow lists them. */
#define API_METHODS      "GET, HEAD, PUT, DELETE, UNLINK, REBALANCE"
#define API_METHODS_READ "GET, HEAD" /* of an index that only reads */

/* The handler for http_server_start(); `arg` is a struct api. */
void api_handle(struct http_request *request, void *arg);

/* --- For the verbs --------------------------------------------------------------------------- */

/* Each answers `request`, now or later, of one who may do that. */
void api_get(struct api *api, struct http_request *request, const struct key *key);
/* `auth`: who sends it; all zero where the API is open. */
void api_put(struct api *api, struct http_request *request, const struct key *key,
             const struct access_auth *auth);
void api_delete(struct api *api, struct http_request *request, const struct key *key);
void api_unlink(struct api *api, struct http_request *request, const struct key *key);
void api_rebalance(struct api *api, struct http_request *request, const struct key *key);

/* The status for what an operation on objects failed with. */
int api_status(int rc);

#endif
