/* Has a volume make a blob out of ranges of others that it has: POST /_mkv/assemble
 * (launcher/volume/assemble.h). The blob isn't on disk by that: flush.h. */
#ifndef MKV_CLUSTER_ASSEMBLE_H
#define MKV_CLUSTER_ASSEMBLE_H

#include "index/base/md5.h"
#include "index/cluster/answer_lines.h"
#include "index/cluster/recipe.h"
#include "index/cluster/transfer.h"

struct assemble;

/* Fires once, never inside a call of this module, with what transfer_done_cb has. Where the answer
 * begins with 200 and says something else by its end, it is this that `status` has: 201 for done,
 * 409 when not all sources are there, 507 when the disk is full, 500 for another failure. An answer
 * that doesn't come to its end is UV_ECONNRESET, and one that makes no sense UV_EPROTO. */
typedef void (*assemble_done_cb)(struct assemble *assemble, int rc, int status);

/* Embedded in an operation, which must keep it until `done` has fired. `data` and `until` are set
 * before the start, the rest is this module's. */
struct assemble {
    void *data;
    uint64_t until; /* loop time by which it is to have ended; 0: any */
    assemble_done_cb done;
    struct transfer transfer; /* readable in `done`, as the next ones */
    bool is_unable;           /* the volume is fine, and makes no such blob (now): it lacks sources,
                                 has too many others to make, or isn't mkv's. Nothing is there */
    bool may_hold;            /* the blob may be there */
    bool is_late;             /* or may come to be there later: the volume may still be at it */
    bool has_md5;
    unsigned char md5[MD5_SIZE]; /* as it was wanted; RFC 1321 */
    struct volume *volume;
    struct answer_lines lines;
    int verdict; /* status that the answer comes to; 0: it wasn't told yet */
};

/* Starts. `recipe` is borrowed until `done`. 0; or UV_ENOMEM or UV_ECANCELED, and `done` doesn't
 * fire. The volume must be one of the recipe's. */
int assemble_start(struct assemble *assemble, struct transfers *transfers, struct volume *volume,
                   struct recipe *recipe, const struct recipe_target *target,
                   assemble_done_cb done);

/* Breaks it off; `done` fires with UV_ECANCELED, unless it is about to tell more. */
void assemble_cancel(struct assemble *assemble);

/* Takes the next bytes of an answer. Only for tests: assemble_start() sees to it. */
void assemble_read(struct assemble *assemble, const char *bytes, size_t n);

#endif
