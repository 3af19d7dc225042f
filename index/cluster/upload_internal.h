/* What the two halves of an upload share: upload.c has the caller's side, the window and the end,
 * upload_copy.c what happens at one volume. */
#ifndef MKV_CLUSTER_UPLOAD_INTERNAL_H
#define MKV_CLUSTER_UPLOAD_INTERNAL_H

#include "index/cluster/assemble.h"
#include "index/cluster/flush.h"
#include "index/cluster/upload.h"

enum copy_state {
    COPY_IDLE,
    COPY_STREAMING, /* the client, and the volume */
    COPY_MAKING,    /* the volume, which makes the value itself */
    COPY_WAITING,   /* another copy, to be relayed from */
    COPY_RELAYING,
    COPY_SYNCING,
    COPY_DONE,
    COPY_STATES
};

struct upload_copy {
    struct upload *upload;
    enum copy_state state;
    struct upload_target *target; /* NULL before it has one */
    uint64_t at;                  /* bytes that the volume has taken */
    unsigned relays;              /* tried */
    bool announced;               /* flush_expect(): the volume has all, and owes the answer */
    struct transfer transfer;
    struct assemble assemble;
    struct relay relay;
    struct flush flush;
};

/* upload_copy.c */

/* Takes a candidate; without one the upload has failed. */
void copy_begin(struct upload_copy *c);
/* Copies wait for others that have the value: where one has, or none may come to have it. */
void copy_relay_waiting(struct upload *u);
/* There is more to send, or the end. */
void copy_wake(struct upload_copy *c);
void copy_cancel(struct upload_copy *c);
/* Gives what it does the upload's deadline. */
void copy_set_deadline(struct upload_copy *c);

/* upload.c */

/* Tells that it is over, if it is and nothing runs any more. The upload may be gone after it. */
void upload_end_if_idle(struct upload *u);
void upload_end_if_all_done(struct upload *u);
/* Cancels everything that runs; the last one to end tells `rc`. */
void upload_stop(struct upload *u, int rc);
/* The next candidate that can take it, or NULL. The copy that it is for has no target meanwhile. */
struct upload_target *upload_next_target(struct upload *u);
/* The rc to refuse with, and u->text, when there is none. */
int upload_refuse(struct upload *u);
/* Drops what all have taken, and tells the caller to go on. */
void upload_trim(struct upload *u);

#endif
