/* Gives blobs their notes where nobody waits for the disk: POST /_mkv/attributes. Notes are kept
 * for each volume and sent once a second, in a few requests. They are hints for a rebuild: those
 * that don't reach their volume, and those of a process that is killed, are lost, and so are some
 * where more come than it takes. */
#ifndef MKV_CLUSTER_ANNOTATE_H
#define MKV_CLUSTER_ANNOTATE_H

#include "index/cluster/placement.h"
#include "index/cluster/volumes.h"

/* Keeps a note of `len` bytes, FLUSH_NOTE_MAX at most, for the blob at a path, "/HH/HH/NAME". */
void annotate(struct volume *volume, const struct place *place, const char *path, const char *note,
              size_t len);

struct annotator;

/* What a volume keeps for it. */
struct annotator *annotator_new(struct volume *volume);
void annotator_free(struct annotator *annotator);

/* Sends what there is, in one request after the other, if none is on its way. True when one has
 * begun: `ended` will fire, some seconds later at most. */
bool annotator_send(struct annotator *annotator, struct transfers *transfers,
                    void (*ended)(struct volume *volume));

#endif
