/* Copies a blob from one volume to another: a GET whose bytes go into a PUT, through a small
 * buffer. */
#ifndef MKV_CLUSTER_RELAY_H
#define MKV_CLUSTER_RELAY_H

#include "index/base/buf.h"
#include "index/base/md5.h"
#include "index/cluster/pace.h"
#include "index/cluster/transfer.h"
#include "index/cluster/volumes.h"

struct relay;

/* How it ended: `rc` and `status` as for transfer_done_cb, of the side that failed, or of the PUT.
 * A source that isn't what was announced is UV_EILSEQ. Fires once, never inside relay_start(). */
typedef void (*relay_done_cb)(struct relay *relay, int rc, int status);

struct relay_options {
    struct volume *from;  /* borrowed, as `to` */
    const char *from_url; /* borrowed during relay_start(), as `to_url` */
    struct volume *to;
    const char *to_url;
    uint64_t size;            /* of the blob; another one fails */
    uint64_t time;            /* of its PUT, ms since 1970 */
    uint64_t until;           /* loop time to have ended by; 0: any */
    const unsigned char *md5; /* MD5_SIZE bytes that it must have, copied; NULL: any */
    bool yields;              /* clients come first: pace.h */
};

/* Embedded in an operation, which must keep it until the callback has fired. `data` is the
 * caller's, and `source_failed` and `may_hold` are for it in the callback. */
struct relay {
    void *data;
    bool source_failed; /* it was the GET */
    bool may_hold;      /* the blob may be at the target */
    struct volume *from;
    struct volume *to;
    relay_done_cb done;
    struct transfer get;
    struct transfer put;
    struct buf window;
    uint64_t size;
    uint64_t received;
    struct md5 md5;
    unsigned char wanted_md5[MD5_SIZE];
    bool bad;          /* the source isn't what it should be */
    struct pace *pace; /* NULL: none */
    struct paced paced;
    bool get_running;
    bool put_running;
    int rc; /* of the first failure */
    int status;
};

/* 0, or UV_ENOMEM or UV_ECANCELED, and then the callback doesn't fire. */
int relay_start(struct relay *relay, struct transfers *transfers,
                const struct relay_options *options, relay_done_cb done);

/* Breaks it off; the callback fires with UV_ECANCELED, unless it was about to tell otherwise. */
void relay_cancel(struct relay *relay);

#endif
