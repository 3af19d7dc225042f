/* Puts the lines of a dump into an empty store, many commits at a time. The lines have to come as a
 * dump has them: header, keys in order, orphans in order, the end with the right counts. */
#ifndef MKV_MAINTENANCE_LOAD_H
#define MKV_MAINTENANCE_LOAD_H

#include "index/maintenance/dump_line.h"

#define LOAD_COMMITS 4096 /* on their way at once */

/* Set what is given, and zero the rest. */
struct load {
    uv_loop_t *loop;     /* given */
    struct store *store; /* given */
    bool skip_orphans;   /* given: they are checked and counted, and left out */
    struct dump_counts counts;
    bool begun; /* the header was there */
    bool ended; /* the last line was there */
    bool any;   /* `last` holds a key of the space at hand */
    enum store_space space;
    struct key last;
    uint64_t last_generation; /* of that, if it is an orphan's */
    struct dump_line line;
    int rc; /* of the first commit that failed */
    unsigned in_flight;
    uint64_t n_commits;
    struct store_commit commits[LOAD_COMMITS]; /* they end in order: a ring */
};

/* Takes the next line; blocks when many commits are on their way. 0; -EINVAL with *problem, to be
 * put behind "line 3 "; or what a commit failed with. After a failure only load_wait() may follow.
 */
int load_line(struct load *load, const char *text, size_t len, const char **problem);

/* Waits for the commits on their way. 0 or what one failed with. */
int load_wait(struct load *load);

#endif
