/* GDBM's way to make a table in one go (store/build.h): a stage that is to replace an index
 * (gdbm_engine_adopt()).
 *
 * Each page is written once, when it is full, and nothing goes through a journal. The thread may be
 * another than the loop's. Memory: some 20 MB, and the fences of the pages, about a byte a key. The
 * index is as it was until gdbm_engine_adopt(), which may follow build_finish(); a stage that comes
 * to nothing is the caller's to remove (gdbm_engine_remove_stage()). */
#ifndef MKV_STORE_GDBM_BUILD_H
#define MKV_STORE_GDBM_BUILD_H

#include "index/store/build.h"
#include "index/store/gdbm/gdbm_engine.h"

/* Begins the stage of the index in `directory`, which this process has open: that is, makes
 * directory/GDBM_ENGINE_STAGE and an empty table in it. `after_block`: the index's
 * gdbm_engine_last_block(), which must be the last when it adopts. 0 and *build, to be freed by
 * build_finish() or build_cancel(); or a negative UV_E* after a log line. */
int build_start(const char *directory, uint64_t after_block, struct build **build);

#endif
