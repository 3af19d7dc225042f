/* The merging of a table's pages with a memtable's changes, into another table file. */
#ifndef MKV_STORE_GDBM_MERGE_H
#define MKV_STORE_GDBM_MERGE_H

#include <stdatomic.h>

#include "index/store/gdbm/fences.h"
#include "index/store/gdbm/memtable.h"
#include "index/store/gdbm/table.h"

struct merge {
    struct table *from;             /* the pages of `old`; NULL when it is empty */
    struct table *to;               /* where pages go, and their list */
    const struct fences *old;       /* borrowed */
    const struct memtable *changes; /* borrowed */
    uint32_t generation;            /* of the pages that are written */
    bool copy_all;                  /* `to` holds none of the old pages yet, rather than all but
                                       those of generation - 1 */
    const atomic_bool *cancel;      /* borrowed: when true, the merge ends with UV_ECANCELED */
    struct fences *fences;          /* out: the pages of `to` */
};

/* 0, or a negative UV_E* after a log line: then `to` and `fences` are worthless. */
int merge_run(const struct merge *merge);

#endif
