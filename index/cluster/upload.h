/* One value, streamed to several volumes at once from one buffer, until as many as wanted hold it
 * durably. Where a volume fails, the next candidate takes its place, one of a zone without a copy
 * if there is one: from the buffer while that has the value from its first byte, else by a copy of
 * what another volume has.
 *
 *     write, write, ... end ──▶ buffer ──▶ PUT ──▶ POST /_mkv/sync ──▶ done
 *                                     ├──▶ PUT ──▶ failed ──▶ next candidate
 *                                     └──▶ PUT ──▶ ...
 *
 * The slowest sets the pace: the buffer is bounded, and the caller is told to pause.
 *
 * Or the value is made at the volumes, out of what they have: upload_make(). There is no buffer
 * then, and a volume that doesn't have it all gets a copy of what another one has made. */
#ifndef MKV_CLUSTER_UPLOAD_H
#define MKV_CLUSTER_UPLOAD_H

#include "index/base/buf.h"
#include "index/base/md5.h"
#include "index/cluster/placement.h"
#include "index/cluster/recipe.h"
#include "index/cluster/relay.h"
#include "index/cluster/transfer.h"
#include "index/cluster/volumes.h"

#define UPLOAD_TEXT_MAX (VOLUME_ADDRESS_MAX + 96)

struct upload;

/* Where the value may go. */
struct upload_target {
    struct volume *volume;
    uint32_t zone;      /* no two copies go to one zone while another one is left */
    struct place place; /* its volume is the volume's id when it was chosen: with another one it is
                           another disk */
    bool tried;         /* this module's, as the next three; readable when done */
    bool holds;         /* durably: it is one of the copies */
    bool may_hold;      /* it wasn't one in the end, but may have kept the bytes */
    bool is_late;       /* a request to it had no answer, and may be carried out later */
};

/* Fires once, never inside upload_start(), and no transfer runs any more. 0: `copies` targets hold
 * the value. Else, with the reason in upload->text: UV_EAGAIN (too few volumes are up, or will do
 * it now), UV_ENOSPC (they are full), UV_ENAMETOOLONG (too few of all have names as long as the
 * path's), UV_EREMOTEIO (they refuse it, or can't make it), UV_EBUSY (they have too much else to
 * make); what `made` has said; or UV_ECANCELED after upload_abort(). */
typedef void (*upload_done_cb)(struct upload *upload, int rc);

/* The buffer has room again, after upload_write() has returned 0. May fire within libcurl: must
 * not call this module. */
typedef void (*upload_drained_cb)(struct upload *upload);

/* A volume has made the value, and this is its MD5; only with upload_make(), where the recipe wants
 * it, once, and before any copy counts. 0 and *note, as upload_end() has it; or negative, with
 * upload->text, which the upload ends with. Must not call this module. */
typedef int (*upload_made_cb)(struct upload *upload, const unsigned char *md5, const char **note,
                              size_t *note_len);

/* What all uploads share. */
struct upload_budget {
    size_t used;            /* bytes in buffers */
    size_t connections;     /* to volumes that uploads may need at once */
    size_t connections_max; /* no upload begins that would need more; 0: any number */
};

/* Whether no upload of so many copies begins any more. */
bool upload_budget_is_spent(const struct upload_budget *budget, unsigned copies);

struct upload_options {
    struct transfers *transfers;  /* borrowed, as all */
    struct upload_budget *budget; /* borrowed */
    const char *path;             /* at every volume, below its subvolume */
    int64_t size;                 /* -1: unknown */
    bool is_framed; /* the end comes apart from the last byte, as in aws-chunked: no volume may take
                       the value for whole before upload_end() */
    const char *request_id; /* as transfer.h has it, or NULL */
    uint64_t time;          /* of the PUT, ms since 1970 */
    unsigned copies;        /* at least 1 */
    bool sync;
    upload_drained_cb drained;
    upload_made_cb made; /* may be NULL without recipe */
    upload_done_cb done;
};

struct upload_copy;

/* Embedded in an operation, all zero at first, which must keep it until `done` has fired. */
struct upload {
    void *data;
    struct upload_target targets[PLACES_MAX];
    size_t n_targets;
    char text[UPLOAD_TEXT_MAX]; /* a line that says what failed last */
    struct upload_options options;
    struct upload_copy *copies;
    unsigned n_copies; /* 0 before the start */
    struct buf window; /* of the value, from byte `base` on */
    uint64_t base;
    uint64_t received;
    bool ended;     /* all was written */
    bool paused;    /* upload_write() has said false */
    bool ending;    /* failed or aborted: nothing new is started */
    int rc;         /* to be done with */
    int failure;    /* rc for the failure of a volume, so far */
    uint64_t until; /* loop time to be done by; 0 before all was written, as the next. Later where
                       the value had to wait until volumes made it */
    const char *note;
    size_t note_len;
    struct recipe *recipe; /* that it is made by; NULL: it is streamed */
    bool has_md5;          /* a volume has told it: */
    unsigned char md5[MD5_SIZE];
    bool is_counted; /* its connections are in the budget */
    unsigned n_busy; /* transfers and relays that run */
};

/* Takes the volumes that can take the value, of `n` candidates, best first; at most PLACES_MAX. 0,
 * and bytes can be added from now on; or, when they are too few, as upload_done_cb. */
int upload_init(struct upload *upload, const struct upload_options *options,
                const struct upload_target *candidates, size_t n);

/* Starts to send. 0; or as upload_done_cb, and `done` never fires. */
int upload_start(struct upload *upload);

/* Adds bytes, which are copied. 1 to go on, 0 to wait for `drained`, or UV_ENOMEM: abort it. Once
 * it has failed, drops them until `done` tells. */
int upload_write(struct upload *upload, const char *bytes, size_t n);

/* All was written, perhaps nothing. From now on the upload has until transfers_durable_by(). With
 * `sync`, each copy gets `note`, borrowed until `done`, as its attribute (flush.h). */
void upload_end(struct upload *upload, const char *note, size_t note_len);

/* Whether any of the first `copies` targets can make the value by the recipe. */
bool upload_can_make(const struct upload *upload, const struct recipe *recipe);

/* In place of upload_write() and upload_end(), and before the start: volumes that can make the
 * value by the recipe, which is borrowed until `done`. `note` as for upload_end(), where `made`
 * gives none.
 */
void upload_make(struct upload *upload, struct recipe *recipe, const char *note, size_t note_len);

/* Breaks it off; `done` fires with UV_ECANCELED, unless it is about to. */
void upload_abort(struct upload *upload);

/* Frees what it has kept; not between the start and `done`. All zero is fine, too. */
void upload_deinit(struct upload *upload);

/* Whether an answer to a request of the target is that it was done, by the disk that was chosen. */
bool upload_target_succeeded(const struct upload_target *target, const struct transfer *transfer,
                             int rc, int status);

#endif
