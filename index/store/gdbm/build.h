/* A table made in one go, out of entries that come in order: the stage that is to replace an index
 * (gdbm_engine_adopt()).
 *
 *     build_start(); build_volume_id(), build_add_key() ..., build_add_orphan() ...; build_finish()
 *
 * Each page is written once, when it is full, and nothing goes through a journal. Calls block, and
 * are one thread's at a time, which may be another than the loop's. Memory: some 20 MB, and the
 * fences of the pages, about a byte a key. The index is as it was until gdbm_engine_adopt(); a
 * stage that comes to nothing is the caller's to remove (gdbm_engine_remove_stage()). */
#ifndef MKV_STORE_GDBM_BUILD_H
#define MKV_STORE_GDBM_BUILD_H

#include "index/store/gdbm/gdbm_engine.h"

struct build;

/* Begins the stage of the index in `directory`, which this process has open: that is, makes
 * directory/GDBM_ENGINE_STAGE and an empty table in it. `after_block`: the index's
 * gdbm_engine_last_block(), which must be the last when it adopts. 0 and *build, to be freed by
 * build_finish() or build_cancel(); or a negative UV_E* after a log line. */
int build_start(const char *directory, uint64_t after_block, struct build **build);

/* As gdbm_engine_volume_id(). 0 and *id; UV_ENAMETOOLONG; or UV_ENOMEM after a log line. */
int build_volume_id(struct build *build, const char *name, uint32_t *id);

/* Each adds an entry: first all keys in byte order, then all orphans by key and, of one key, by
 * generation. `key` has 1 to STORE_KEY_MAX bytes, none of them NUL. 0; UV_EEXIST when that
 * was the last one already, or UV_EINVAL when it should have come before the last one, and then
 * nothing has changed; or a negative UV_E* after a log line, and then only build_cancel() may
 * follow. */
int build_add_key(struct build *build, const void *key, size_t len, const struct record *record);
int build_add_orphan(struct build *build, const void *key, size_t len, uint64_t generation,
                     const struct orphan *orphan);

/* Leaves an orphan out, and checks its order as if it were added. 0, UV_EEXIST or UV_EINVAL. */
int build_skip_orphan(struct build *build, const void *key, size_t len, uint64_t generation);

/* Brings the table to disk, whole, and frees. 0, and gdbm_engine_adopt() may follow; or a negative
 * UV_E* after a log line. */
int build_finish(struct build *build);

/* Frees. NULL does nothing. */
void build_cancel(struct build *build);

#endif
