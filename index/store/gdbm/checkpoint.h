/* Makes the next table out of the current one and a memtable.
 *
 *     index.gdbm + memtable -> next.gdbm, which becomes index.gdbm by rename(2)
 *
 * So that not everything is written each time, next.gdbm begins as spare.gdbm, the table before the
 * current one: pages that the last checkpoint wrote (their fence's generation tells) are copied
 * from index.gdbm, and those that the memtable changes are merged with it. Where there is no spare,
 * all pages are copied.
 *
 * index.gdbm is never written. A crash leaves a next.gdbm that is removed. */
#ifndef MKV_STORE_GDBM_CHECKPOINT_H
#define MKV_STORE_GDBM_CHECKPOINT_H

#include <stdatomic.h>

#include "index/store/gdbm/fences.h"
#include "index/store/gdbm/memtable.h"
#include "index/store/gdbm/table.h"

#define TABLE_NAME "index.gdbm"
#define SPARE_NAME "spare.gdbm"
#define NEXT_NAME  "next.gdbm"

struct checkpoint {
    /* Given, borrowed, and read only; header: what the new table's should be. */
    const char *directory;
    const struct memtable *changes;
    const struct fences *old; /* of index.gdbm; count 0 when there is none */
    struct table_header header;
    atomic_bool cancel; /* set by any thread: end soon, with UV_ECANCELED */
    /* The result: the new index.gdbm, open for reading by any one thread, and its list of pages. */
    struct table *table;
    struct fences fences;
};

/* Runs in any thread. 0, and index.gdbm is the new one, and the journal after it is gone once that
 * is on disk; or a negative UV_E* after a log line, and everything is as it was. */
int checkpoint_run(struct checkpoint *c);

/* Removes what a crash left in a directory, and brings to disk what it did. 0 or a negative UV_E*
 * after a log line. */
int checkpoint_clean_up(const char *directory);

#endif
