/* What operations say of the blobs that they leave: changes of the store's orphans. */
#ifndef MKV_OBJECTS_ORPHANS_H
#define MKV_OBJECTS_ORPHANS_H

#include "index/objects/objects.h"

/* A change of one orphan, with what it points to. */
struct orphan_change {
    struct orphan was; /* as the store has it; no places: it has none */
    struct orphan is;  /* as it is to be; no places: it is to have none */
};

/* Adds a place, unless it is there already. False when there are too many. */
bool orphan_add(const struct places *places, struct orphan *orphan, const struct place *place);

/* Prepares to make orphans of the blob that the key's record names, of whose generation the store
 * has this orphan (no places: none). */
void orphan_change_init(struct orphan_change *change, const struct orphan *was,
                        const struct record *record);

/* ... also at these `n` places, and until then. Where that changes nothing, it stays 1 ms longer: a
 * removal in hand, which spares the places that the key had, then finds another orphan than it
 * expects. 0, or UV_ENOBUFS when the places are too many. */
int orphan_change_add(const struct objects *objects, struct orphan_change *change,
                      const struct place *places, unsigned n, uint64_t until);

/* For how many ms an orphan stays after a change, where the key still has the blob and the store
 * has the orphan as in `was` (no places: none). It is a grace. Where several indexes share the
 * store and `was` is due, another index may have sent a DELETE to its places: then it is a grace
 * and as long as a DELETE may take, so that the blob doesn't move back there before. */
uint64_t orphan_grace(const struct objects *objects, const struct orphan *was);

/* The change for store_commit(): it expects what was found. */
struct store_change orphan_change_of(const struct key *key, uint64_t generation,
                                     const struct orphan_change *change);

/* Makes the two changes that remove a key of this view, which has a record, and make its blob an
 * orphan that can go at once. They borrow key, view and *orphan. 0 or UV_ENOBUFS. */
int orphan_changes_of_removal(const struct objects *objects, const struct key *key,
                              const struct store_view *view, struct orphan_change *orphan,
                              struct store_change changes[2]);

/* The latest time that counts (generation.h) of a key's blobs: of the one that its record names, of
 * its orphans, and of those in the making. Of blobs that one key has had, a later one has a later
 * time: so orphans that are older than the record's blob, of which a value that is replaced all the
 * time has very many, aren't looked at. 0: none is known. */
uint64_t orphans_latest_time(const struct objects *objects, const struct key *key,
                             const struct store_view *view);

#endif
