/* A store's content as the lines of dump_line.h, some at a time. Between two calls the store may
 * change: each key then is as it was at some instant of the dump. Keys come before orphans, so that
 * a blob which becomes a key's meanwhile isn't taken for one to be removed. */
#ifndef MKV_MAINTENANCE_DUMP_H
#define MKV_MAINTENANCE_DUMP_H

#include "index/maintenance/dump_line.h"

/* Set the first four, and zero the rest. */
struct dump {
    struct store *store; /* borrowed */
    /* Whether to leave an orphan out, since its blob may become a value. Asked before its key is
     * looked up, too; one that turns out to be its key's blob is left out in any case. NULL: all
     * are in. */
    bool (*skip_orphan_cb)(const struct key *key, uint64_t generation, void *arg);
    void (*filled_cb)(struct dump *dump, int rc); /* as dump_fill() has it */
    void *arg;
    struct store_reading reading; /* of the lines that come later */
    struct orphan orphan;         /* that is looked at: at `next`, if it has places */
    bool begun;
    enum store_space space;   /* where it is */
    struct key next;          /* and from which key on it is to continue, */
    uint64_t next_generation; /* and which orphan of that */
    struct dump_counts counts;
    struct buf *out; /* during a call */
    size_t bytes;
};

/* Appends lines until `out` has `bytes` or the dump is whole. 1 when there is more to come, 0 when
 * the last line was appended, or a negative UV_E* after a log line; or STORE_LATER, and then
 * `filled_cb` fires with that, once, from the loop. `out` is borrowed until then. */
int dump_fill(struct dump *dump, struct buf *out, size_t bytes);

/* Nobody wants what dump_fill() has put off. */
void dump_cancel(struct dump *dump);

#endif
