/* An index out of nothing but the volumes, and of the newest backup of the index that lies on
 * them. */
#ifndef MKV_MAINTENANCE_REBUILD_H
#define MKV_MAINTENANCE_REBUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/maintenance/choose.h"

struct rebuild_progress {
    const char *phase; /* static: "listing", then "building" */
    uint64_t files;    /* that were found, or are in the new index already, */
    uint64_t total;    /* of these; 0 while volumes are listed */
    uint64_t keys;     /* in the new index */
};

struct signer; /* index/cluster/sign.h */

struct rebuild_options {
    const char *directory;      /* of the index, which must not run; made 0700 when missing */
    const char *store_uri;      /* of a database that it goes to instead; NULL: none */
    const char *const *volumes; /* names */
    size_t n_volumes;
    const struct signer *signer; /* of requests to volumes; NULL: nothing signs */
    const struct tls_files *tls; /* what those with TLS are asked with */
    bool replace;                /* give up what the index holds */
    bool ignore_backup;          /* go by the files alone */
    /* Called now and then, for who waits; may be NULL. */
    void (*progress_cb)(const struct rebuild_progress *progress, void *arg);
    void *arg;
};

struct rebuild_counts {
    struct choose_counts
        chosen; /* with mkv's own, backups and what S3 hides, which are keys too: */
    uint64_t hidden;
    uint64_t hidden_copies;
    uint64_t backup_time; /* of the one that was used, ms since 1970; 0: none */
    uint64_t backup_keys; /* that it knows, unlinked ones too */
    bool backup_damaged;  /* there are some, and none is whole */
    uint64_t files;       /* blobs that were found */
    uint64_t strangers;   /* files that are no blobs */
    uint64_t foreign; /* blobs of keys that no request can name: without a slash, or with a NUL */
};

/* Lists the volumes, makes a table of what they hold in DIR/restore.tmp, or in a transaction of the
 * database, and puts that in the
 * index's place at once and durably. Each key has the newest of its values of which a copy is whole
 * (choose.h); what else was found is orphans, which the index removes. A backup (backup.h) tells
 * which were none any more, and which are unlinked. Blocks. 0 and *counts; or a
 * negative UV_E* after log lines, and the index holds what it did before. */
int rebuild_run(const struct rebuild_options *options, struct rebuild_counts *counts);

#endif
