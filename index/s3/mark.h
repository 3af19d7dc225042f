/* Records of S3's own, of buckets and uploads: keys below "/_mkv/s3/" with an empty value, which
 * say what they have to say by their metadata. */
#ifndef MKV_S3_MARK_H
#define MKV_S3_MARK_H

#include "index/objects/write.h"
#include "index/s3/meta.h"

struct mark_options {
    const struct meta *meta; /* copied; NULL: none */
    write_done_cb done;
    void *arg;
};

/* Writes one. 0, and `done` will fire; or negative, as write_done_cb has it. */
int mark_write(struct objects *objects, const struct key *key, const struct mark_options *options);

#endif
