/* What a request means: the native HTTP API over the objects. get.c, put.c, change.c (DELETE,
 * UNLINK, REBALANCE) and list.c are its verbs; api.c tells them apart. */
#ifndef MKV_API_H
#define MKV_API_H

#include <stdbool.h>
#include <stddef.h>

#include "index/base/key.h"
#include "index/http/http.h"
#include "index/objects/objects.h"

struct api {
    struct objects *objects; /* borrowed */
    const char *fallback;    /* "host:port", "https://host:port" or NULL, borrowed */
    bool protect;            /* only unlinked keys can be deleted */
    bool check_reads;        /* a GET looks whether the copy is there */
};

/* The methods that it serves, as the header Allow lists them. */
#define API_METHODS "GET, HEAD, PUT, DELETE, UNLINK, REBALANCE"

/* The handler for http_server_start(); `arg` is a struct api. */
void api_handle(struct http_request *request, void *arg);

/* --- For the verbs --------------------------------------------------------------------------- */

/* Each answers `request`, now or later. */
void api_get(struct api *api, struct http_request *request, const struct key *key);
void api_put(struct api *api, struct http_request *request, const struct key *key);
void api_delete(struct api *api, struct http_request *request, const struct key *key);
void api_unlink(struct api *api, struct http_request *request, const struct key *key);
void api_rebalance(struct api *api, struct http_request *request, const struct key *key);

/* The status for what an operation on objects failed with. */
int api_status(int rc);

#endif
