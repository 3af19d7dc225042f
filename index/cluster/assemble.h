/* Has a volume make a blob out of ranges of others that it has: POST /_mkv/assemble
 * (launcher/volume/assemble.h). The blob isn't on disk by that: flush.h.
 *
 * A volume is asked for a few at a time. The others wait here, and so do those for which it has no
 * place because others ask it, too: what waits moves no bytes. Large ones leave room for small
 * ones, which need not wait for them. */
#ifndef MKV_CLUSTER_ASSEMBLE_H
#define MKV_CLUSTER_ASSEMBLE_H

#include <sys/queue.h>

#include "index/cluster/assemble_answer.h"
#include "index/cluster/recipe.h"
#include "index/cluster/transfer.h"

#define ASSEMBLE_REQUESTS    16 /* that a volume has at once, half of what it takes: of those ... */
#define ASSEMBLE_LARGE       4 /* so many of large values, for it works at two at a time: those ... */
#define ASSEMBLE_LARGE_BYTES ((uint64_t)64 << 20) /* of so many bytes or more */

struct assemble;

enum assemble_outcome {
    ASSEMBLE_MADE,
    ASSEMBLE_UNABLE, /* the volume is fine, and makes no such blob: it lacks sources, or isn't
                        mkv's. Nothing is there, as with the next two, unless may_hold says so */
    ASSEMBLE_BUSY,   /* it has had no place for too long */
    ASSEMBLE_FULL,   /* its disk is full */
    ASSEMBLE_FAILED, /* anything else */
};

/* Fires once, never inside a call of this module. */
typedef void (*assemble_done_cb)(struct assemble *assemble, enum assemble_outcome outcome);

/* Embedded in an operation, which must keep it until `done` has fired. `data` is the caller's; the
 * rest is this module's. */
struct assemble {
    void *data;
    struct transfer transfer; /* readable in `done`, as the next ones */
    int rc;                   /* with ASSEMBLE_FAILED: why there is no answer, as transfer_done_cb;
                                 UV_ECONNRESET when it broke off, UV_EPROTO when it makes no sense;
                                 0: the volume has said that it failed */
    bool may_hold;            /* the blob may be there */
    bool is_late;             /* or may come to be there later: the volume may still be at it */
    uint64_t until; /* loop time by which it was to have ended, of transfers_durable_by() when it
                       was sent; 0: it wasn't */
    struct assemble_answer answer; /* has the MD5, where one was wanted */
    struct volume *volume;
    struct recipe *recipe;
    struct recipe_target target;
    assemble_done_cb done;
    uint64_t busy_until; /* loop time until which a busy volume is asked again; 0: it wasn't busy */
    bool is_sent;
    bool is_canceled;
    STAILQ_ENTRY(assemble) link; /* unless sent */
};

/* Asks for it, now or later. `recipe`, and what `target` points to, are borrowed until `done`. The
 * volume must be one of the recipe's. */
void assemble_start(struct assemble *assemble, struct transfers *transfers, struct volume *volume,
                    struct recipe *recipe, const struct recipe_target *target,
                    assemble_done_cb done);

/* Breaks it off; `done` fires with ASSEMBLE_FAILED and UV_ECANCELED, unless it is about to tell
 * more. */
void assemble_cancel(struct assemble *assemble);

/* What a volume keeps for it. */
struct assembles *assembles_new(void);
void assembles_free(struct assembles *assembles);

#endif
