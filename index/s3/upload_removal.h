/* Removes a multipart upload: its record, so that no part is added any more, and then its parts. */
#ifndef MKV_S3_UPLOAD_REMOVAL_H
#define MKV_S3_UPLOAD_REMOVAL_H

#include "index/objects/change.h"

/* Removes the upload whose record, at `key`, the view has; any key of uploads will do. 0, and
 * `done` fires as change_remove() has it, when the record is gone; or negative, as that. The parts
 * follow, with nobody to wait for them: some that stay after a failure are found by
 * upload_expiry.h. */
int upload_remove(struct objects *objects, const struct key *key, const struct store_view *view,
                  change_done_cb done, void *arg);

/* Removes the parts of an upload alone, likewise. */
void upload_remove_parts(struct objects *objects, const char *id);

#endif
