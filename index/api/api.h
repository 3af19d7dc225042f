/* What a request means: the native HTTP API over the store and the cluster. get.c, put.c,
 * delete.c, unlink.c and list.c are its verbs; api.c tells them apart. */
#ifndef MKV_API_H
#define MKV_API_H

#include <stdbool.h>
#include <stddef.h>

#include "index/api/key.h"
#include "index/cluster/transfer.h"
#include "index/http/http.h"
#include "index/store/store.h"

struct api {
    struct store *store;         /* borrowed */
    struct transfers *transfers; /* borrowed */
    const char *const *volumes;  /* "host:port", borrowed */
    const uint32_t *volume_ids;  /* theirs in the store, borrowed */
    size_t n_volumes;            /* at least 1 */
    unsigned subvolumes;         /* 1 to 256; 1 means no "/svXX" in paths */
    const char *fallback;        /* "host:port" or NULL, borrowed */
    bool protect;                /* only unlinked keys can be deleted */
    bool sync;                   /* volumes bring a blob to disk before it is recorded */
    bool md5;                    /* keep the MD5 of values */
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

/* The status for what the store failed with. */
int api_store_status(int rc);

/* Answers `status` with a line of text. */
void api_respond_text(struct http_request *request, int status, const char *text);

#define API_VOLUME_MAX 300 /* "host:port/svXX" and a NUL */
#define API_URL_MAX    (7 + API_VOLUME_MAX + PLACEMENT_PATH_MAX)

/* The first `count` replicas the key should have, best first; count <= n_volumes. */
void api_place(struct api *api, const struct key *key, unsigned count, struct replica *replicas);

/* Writes "host:port" or "host:port/svXX". False if the replica's volume id is unknown. */
bool api_volume_text(struct api *api, const struct replica *replica, char text[API_VOLUME_MAX]);

/* Writes "http://host:port/svXX/HH/HH/NAME". False likewise. */
bool api_replica_url(struct api *api, const struct replica *replica, const struct key *key,
                     char url[API_URL_MAX]);

/* Whether a volume's answer to a PUT or a DELETE means that it was done. */
bool api_volume_succeeded(int rc, int status);

#endif
