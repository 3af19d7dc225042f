/* What lies on volumes: their lists (GET /_mkv/list, launcher/volume/list.h), all at once.
 *
 * A list that breaks off is asked for again from where it did; a volume that can't be listed after
 * some tries ends all, unless the caller can do without it. Blocks, on a loop of its own, so that
 * it can have a thread of its own, too. */
#ifndef MKV_MAINTENANCE_COLLECT_H
#define MKV_MAINTENANCE_COLLECT_H

#include <stdint.h>

#include "index/cluster/placement.h"
#include "index/cluster/transfer.h"

/* A file on a volume. */
struct collected {
    size_t volume; /* index into the names */
    const struct placement_name *name;
    uint64_t size;
    uint64_t time;    /* its mtime, ms since 1970 */
    const char *note; /* its attribute, */
    size_t note_len;  /* or 0 bytes for none */
};

struct collect {
    const char *const *volumes; /* names */
    size_t n_volumes;
    char (*identities)[TRANSFER_VOLUME_ID_MAX + 1]; /* of those that have one; "" at first */
    const struct tls_files *tls; /* what those with TLS are asked with; NULL: nothing */
    const struct signer *signer; /* of the requests (index/cluster/sign.h); NULL: nothing signs */
    bool without_notes;          /* they aren't wanted, which is faster */
    bool *listed; /* out: those that were listed to the end; NULL: one that can't be ends all */
    /* Called for each file that has a blob's name. 0, or negative to end all with that. */
    int (*blob_cb)(const struct collected *blob, void *arg);
    /* Called five times a second; may be NULL. As blob_cb. */
    int (*tick_cb)(void *arg);
    void *arg;
    uint64_t strangers; /* out: files whose path is no blob's */
};

/* 0, what blob_cb returned, or a negative UV_E* after a log line that names the volume. */
int collect_run(struct collect *collect);

#endif
