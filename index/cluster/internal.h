/* What the parts of transfers share: transfer.c makes requests, connection.c has their connections,
 * tls.c has certificates, multi.c drives libcurl, flush.c shares one kind of them, assemble.c holds
 * one back. */
#ifndef MKV_CLUSTER_INTERNAL_H
#define MKV_CLUSTER_INTERNAL_H

#include "index/cluster/pace.h"
#include "index/cluster/sign.h"
#include "index/cluster/transfer.h"

#define TRANSFER_POOL_MAX 128 /* idle easy handles kept for reuse */

LIST_HEAD(transfer_list, transfer);
LIST_HEAD(flusher_list, flusher);
LIST_HEAD(assembles_list, assembles);
STAILQ_HEAD(transfer_queue, transfer);

struct transfers {
    uv_loop_t *loop;
    struct transfer_limits limits;
    CURLM *multi;
    uv_timer_t timeout;            /* libcurl's own */
    uv_timer_t stall;              /* looks for volumes that stall */
    uv_idle_t ended_soon;          /* runs `ended` when no libcurl call is about to */
    uv_timer_t send;               /* sends what waits in the next two */
    struct flusher_list flushers;  /* flush.c's, those with something to do */
    struct assembles_list waiting; /* assemble.c's, those in which some wait */
    struct transfer_list active;   /* known to libcurl */
    struct transfer_queue ended;   /* result known, `done` to be fired */
    struct transfer_queue wakes;   /* to be woken */
    struct pace pace;              /* of what is copied in the background */
    struct signer signer;
    struct transfer_tls *tls;      /* tls.c's, or NULL: nothing was set */
    CURL *pool[TRANSFER_POOL_MAX]; /* reset handles */
    size_t n_pool;
    unsigned sockets; /* poll handles whose close callback is to come */
    bool aborted;     /* no transfer starts any more */
    unsigned handles; /* timers and the idle handle, whose close callback is to come */
    void (*free_cb)(void *arg);
    void *free_arg;
};

/* transfer.c: the transfer has its result; `done` will fire from multi.c. */
void transfer_end(struct transfer *transfer, int rc, int status);

/* connection.c: has the handle use a connection that leads to the volume, or make one; a new one to
 * a fresh address with `anew`. 0 or UV_ENOMEM. */
int connection_prepare(struct transfer *transfer, const char *url, bool anew);
/* Notes which address the volume has answered from. */
void connection_note_address(struct transfer *transfer);
/* Counts transfer->tries, before the handle goes. */
void connection_count_tries(struct transfer *transfer);
/* libcurl's failure as a UV_E*: of the volume, or of this machine (transfer_failed_here()). */
int connection_translate(struct transfer *transfer, CURLcode code);

/* tls.c: has the handle, whose URL is of a volume with TLS, use the engine's certificates, which
 * the transfer holds from now on. 0; UV_ENOMEM or UV_ENOTSUP. */
int tls_prepare(struct transfer *transfer);
/* Ends a hold; NULL is none. */
void tls_release(struct transfer_tls *tls);
/* Why a handshake has failed, or NULL: it was no handshake that did. */
const char *tls_explain(const struct transfer *transfer, CURLcode code);

/* flush.c: sends the requests that are due; and ends the waiting of those that are too late. */
void flushers_send(struct transfers *engine);
void flushers_expire(struct transfers *engine);

/* assemble.c: sends the requests that volumes have a place for. */
void assembles_send(struct transfers *engine);

/* multi.c */
int multi_start(struct transfers *engine);
void multi_fire_soon(struct transfers *engine);
void multi_watch_stalls(struct transfers *engine);
/* Has flushers_send() and assembles_send() called from the loop, in so many ms at the latest. */
void multi_send_in(struct transfers *engine, uint64_t ms);

#endif
