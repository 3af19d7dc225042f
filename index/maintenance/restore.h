/* A dump made an index again. */
#ifndef MKV_MAINTENANCE_RESTORE_H
#define MKV_MAINTENANCE_RESTORE_H

#include "index/maintenance/dump_line.h"

/* Gets how many lines were read, and their bytes. Called for each line. */
typedef void (*restore_progress_cb)(uint64_t lines, uint64_t bytes, void *arg);

struct restore_options {
    const char *directory; /* of the index, which must not run; made 0700 when missing */
    const char *store_uri; /* of a database that it goes to instead; NULL: none */
    const char *name;      /* of the dump, for messages */
    int input;             /* the dump, read from where it stands to its end; stays the caller's */
    bool replace;          /* give up what the index holds */
    bool skip_orphans;     /* check them, and leave them out */
    restore_progress_cb progress_cb; /* or NULL */
    void *arg;
};

/* Reads the dump into DIR/restore.tmp, or in a transaction of the database, and when it turned out
 * whole and right, puts that in the index's place at once and durably. Blocks. 0, and the counts of
 * what was in the dump; or a negative UV_E* after one log line, and the index holds what it did
 * before. */
int restore_run(const struct restore_options *options, struct dump_counts *counts);

#endif
