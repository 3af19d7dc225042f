/* Blobs that an operation has left at volumes, of which the store couldn't be told. Where several
 * indexes share it, the announcement from before may be gone: another index has taken it over while
 * this one was out of touch, and removed what it found, or a database that took over never had it.
 * Then nobody would know of the blobs.
 *
 * Happy path: the store is asked for the blob's orphan and for the key's record, and an orphan is
 * made, or changed, that names the places which the record doesn't; the reclaimer does the rest.
 *
 * Failures: the store is away, or somebody else changes the orphan: all of it once more a little
 * later, until the index stops. Who finds the blobs then is mkv verify. */
#ifndef MKV_OBJECTS_LEFTOVERS_H
#define MKV_OBJECTS_LEFTOVERS_H

#include "index/objects/objects.h"

/* Tells the store that the key's blob of this generation may lie at these places, none of which is
 * written to any more; all is copied. Nothing where nobody else can have the store open: the
 * announcement is there. */
void leftovers_tell(struct objects *objects, const struct key *key, uint64_t generation,
                    const struct orphan *left);

#endif
