/* Writes a value: streams it to its volumes, and then records where it is.
 *
 *     announce (written) ──▶ upload: PUT and sync at R volumes ──▶ commit ──▶ done
 *
 * Whatever ends it before that, the key is as it was, and what may lie at volumes is an orphan. */
#ifndef MKV_OBJECTS_WRITE_H
#define MKV_OBJECTS_WRITE_H

#include "index/objects/making.h"

struct write;

/* How it ended; fires once, from the loop, and never inside a call of this module. The write is
 * gone then. 0: the value is stored, durably, as *record. Of writes that replace each other the one
 * that is stored last stays; only where no volume can make such a value anew (write_make()), a
 * later one that was stored sooner does. Else `text` has a line that says why not:
 *   UV_EEXIST     the key has got a value meanwhile;
 *   STORE_CONFLICT  with a condition, the key has got a later value meanwhile;
 *   UV_ENOENT     the key that it was to remove is gone;
 *   UV_EAGAIN     too few volumes take it now;
 *   UV_EREMOTEIO  volumes refuse it;
 *   UV_EBUSY      they have too much else to make, or the index has too much to tell them;
 *   UV_ENOSPC     they are full, or the index's own disk is;
 *   UV_ENAMETOOLONG  too few of them have names that are long enough for the key;
 *   UV_EILSEQ     volumes have made it, and it hasn't the MD5 that was announced;
 *   STORE_AWAY, UV_EROFS  the index can't be changed now, or never is (store.h);
 *   UV_EIO, UV_ETIMEDOUT, UV_ENOBUFS, UV_ENOMEM  its disk or its memory fails. */
typedef void (*write_done_cb)(void *arg, int rc, const char *text, const struct record *record);

/* There is room again, after write_data() has said 0. May fire within libcurl: must not call this
 * module. */
typedef void (*write_drained_cb)(void *arg);

/* The key can have the value, as write_start() has it, and that can come. Fires once, from the
 * loop. */
typedef void (*write_started_cb)(void *arg);

struct write_options {
    int64_t size;                  /* -1: unknown */
    const char *request_id;        /* as transfer.h has it, copied; NULL: none */
    bool is_framed;                /* as upload.h has it */
    const unsigned char *md5;      /* MD5_SIZE bytes that the value must have, copied; NULL: any */
    bool needs_md5;                /* the record is to have the MD5, also where values have none */
    bool allows_empty;             /* else an empty value is refused */
    bool replaces;                 /* a value that the key has is replaced */
    making_condition_cb condition; /* asked with `arg`, also before the write has started, what
                                      the key must have now; not after write_forget(). What it
                                      refuses with is told to the caller. NULL: nothing */
    const struct key *removes;     /* as making.h has it; not for a value that counts as one that
                                      was replaced. NULL: none */
    write_started_cb started;
    write_drained_cb drained;
    write_done_cb done;
    void *arg;
};

/* Begins to write the key's value, which is missing or unlinked, unless it may be replaced. 0 and
 * *write, and then no call but write_forget() may follow until `started` has fired, or `done`,
 * where the write couldn't start; or, with `text`, as write_done_cb, and -ENODATA where the size is
 * known to be 0 and an empty value isn't allowed. */
int write_start(struct objects *objects, const struct key *key, const struct write_options *options,
                struct write **write, char text[UPLOAD_TEXT_MAX]);

/* Adds bytes, which are copied. 1 to go on, 0 to wait for `drained`; or negative with `text`, as
 * write_done_cb, and then the write is over: `done` doesn't fire. */
int write_data(struct write *write, const char *bytes, size_t n, char text[UPLOAD_TEXT_MAX]);

/* All was added. 0, and `done` will fire; or negative and over, likewise: -ENODATA for an empty
 * value that isn't allowed, UV_EILSEQ when it hasn't the MD5. */
int write_end(struct write *write, char text[UPLOAD_TEXT_MAX]);

/* The same for a value with metadata, which is copied: note_meta_is_valid(). Also negative:
 * UV_EINVAL for other bytes. */
int write_end_with(struct write *write, const char *meta, size_t meta_len,
                   char text[UPLOAD_TEXT_MAX]);

/* In place of write_data() and write_end_with(): volumes make the value by the recipe, which is the
 * write's from then on. `md5`: the one that the value is known to have; NULL: the volumes tell it,
 * where the caller has announced one or needs one, and else the record has none. UV_ENOTSUP, and
 * nothing has changed, when no volume that is to have the value can make it; else 0, or negative
 * and over, as write_end_with() has it. */
int write_make(struct write *write, struct recipe *recipe, const unsigned char *md5,
               const char *meta, size_t meta_len, char text[UPLOAD_TEXT_MAX]);

/* Nobody wants to know any more: no callback fires. A value that has come whole is stored all the
 * same, if it `removes` nothing (else it isn't to be forgotten); any other one is broken off. */
void write_forget(struct write *write);

#endif
