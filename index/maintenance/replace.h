/* Another index in place of the one in a directory, of which nothing is touched until the new one
 * is whole: at every instant, a crash or power cut leaves the one or the other. */
#ifndef MKV_MAINTENANCE_REPLACE_H
#define MKV_MAINTENANCE_REPLACE_H

#include <stdbool.h>

#include "index/store/build.h"

struct replace {
    const char *directory; /* of the index, which must not run; made 0700 when missing */
    const char *store_uri; /* of the database that is replaced instead; NULL: none */
    bool give_up;          /* what the index holds; else it has to be empty */
    /* Fills the new index. 0, or a negative UV_E* after a log line, and then nothing is replaced.
     */
    int (*fill_cb)(struct build *build, void *arg);
    void *arg;
};

/* Blocks. 0; or a negative UV_E* after one log line, and the index holds what it did before. */
int replace_run(const struct replace *replace);

#endif
