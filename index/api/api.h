/* What a request means: the native HTTP API over the store and the cluster. get.c, put.c,
 * delete.c, unlink.c and list.c are its verbs; api.c tells them apart. */
#ifndef MKV_API_H
#define MKV_API_H

#include <stdbool.h>
#include <stddef.h>

#include "index/api/key.h"
#include "index/api/replicas.h"
#include "index/cluster/transfer.h"
#include "index/http/http.h"
#include "index/store/store.h"

struct api {
    struct store *store;         /* borrowed */
    struct transfers *transfers; /* borrowed */
    struct replicas *replicas;   /* borrowed */
    unsigned copies;             /* volumes that each value goes to; at least 1 */
    const char *fallback;        /* "host:port" or NULL, borrowed */
    bool protect;                /* only unlinked keys can be deleted */
    bool sync;                   /* volumes bring a blob to disk before it is recorded */
    bool md5;                    /* keep the MD5 of values */
    bool check_reads;            /* a GET looks whether the replica is there */
    struct upload_budget budget; /* of all PUTs */
    unsigned turn;               /* of replicas to read from */
    void *busy;                  /* operation.c: the keys that are held */
    size_t n_operations;         /* that still need this struct */
    void (*idle)(void *arg);     /* fires when that has come to 0, from within an operation; NULL:
                                    nobody waits */
    void *idle_arg;
};

/* The handler for http_server_start(); `arg` is a struct api. */
void api_handle(struct http_request *request, void *arg);

/* --- For the verbs --------------------------------------------------------------------------- */

/* Each answers `request`, now or later. */
void api_get(struct api *api, struct http_request *request, const struct key *key);
void api_put(struct api *api, struct http_request *request, const struct key *key);
void api_delete(struct api *api, struct http_request *request, const struct key *key);
void api_unlink(struct api *api, struct http_request *request, const struct key *key);
void api_rebalance(struct api *api, struct http_request *request, const struct key *key);

/* The status for what the store failed with. */
int api_store_status(int rc);

/* Answers `status` with a line of text; 503 with Retry-After. */
void api_respond_text(struct http_request *request, int status, const char *text);

#endif
