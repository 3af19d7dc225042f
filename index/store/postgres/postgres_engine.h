/* The engine on PostgreSQL: the table in a database that several indexes share. README.md tells how
 * a commit is one statement, and why each race between indexes ends well.
 *
 * This room alone knows libpq. Its calls block only while the store opens. */
#ifndef MKV_STORE_POSTGRES_ENGINE_H
#define MKV_STORE_POSTGRES_ENGINE_H

#include "index/store/store.h"

/* What all indexes on one database must agree on: the first one that starts writes it down. */
struct postgres_shared {
    unsigned copies;
    unsigned subvolumes;
    bool protect;
    bool md5;
};

struct postgres_engine_options {
    const char *uri;      /* as libpq has it, without a password */
    const char *name;     /* of this index, for people: which machine and directory */
    bool sync;            /* a commit waits for the database's disk */
    bool only_reads;      /* of a database that may be a replica: every commit is UV_EROFS */
    unsigned deadline_ms; /* of the opening; 0: the default */
    uint64_t grace_ms;    /* before the orphans of an index that died are removed */
    struct postgres_shared shared;
};

/* Opens the store: makes the schema or checks it, checks that the database is durable, and takes a
 * lease. 0 and *store, to be closed by store_close(); or a negative UV_E* after one log line that
 * names what is wrong and the mend: STORE_AWAY when the database can't be reached in time,
 * UV_EINVAL for a URI that libpq doesn't take or that has a password, UV_ENOTSUP for a database
 * that isn't fit, or was made by another version or with other settings. */
int postgres_engine_open(uv_loop_t *loop, const struct postgres_engine_options *options,
                         struct store **store);

/* Blocks: sets *table to what tells the table of keys from one that takes its place, when somebody
 * restores or rebuilds the database. 0; or STORE_AWAY, after a line in the log. */
int postgres_engine_table(const char *uri, uint64_t *table);

#endif
