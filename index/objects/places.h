/* Between places, which name a volume by its id in the store, and the volumes themselves. An id
 * stands for an address and an identity: another disk behind the same address has another id, and
 * so nothing that the first one held is looked for there. */
#ifndef MKV_OBJECTS_PLACES_H
#define MKV_OBJECTS_PLACES_H

#include "index/base/key.h"
#include "index/cluster/upload.h"
#include "index/cluster/volumes.h"
#include "index/store/store.h"

#define PLACE_TEXT_MAX (VOLUME_ADDRESS_MAX + 8) /* "https://host:port/svXX" and a NUL */

struct places;

/* Takes up the volumes that the store knows already, unlisted. `subvolumes`: 1 to 256, 1 for none;
 * `copies` of each blob. 0 and *places, or a negative UV_E* after a log line. */
int places_new(uv_loop_t *loop, struct store *store, struct transfers *transfers,
               unsigned subvolumes, unsigned copies, struct places **places);

/* Makes these the volumes that new blobs go to. 0, or a negative UV_E* with nothing changed. */
int places_list(struct places *r, const struct volume_entry *entries, size_t n);

/* Keeps new blobs away from a volume though it is listed; or no more. */
void places_drain(struct places *r, struct volume *volume, bool drained);

/* How many volumes take new blobs: those that are listed and not drained. */
size_t places_count(const struct places *r);

/* Starts to look after the volumes; `settled` fires as volumes_start() has it. */
void places_start(struct places *r, void (*settled)(void *arg), void *arg);

/* Frees all, then fires `cb`; never inside this call. */
void places_stop(struct places *r, void (*cb)(void *arg), void *arg);

struct volumes *places_volumes(struct places *r);

/* The volumes that may take a key's blob, best first, `max` at most: as placement_choose() has it.
 * Returns how many. */
size_t places_choose(struct places *r, const struct key *key, struct upload_target *targets,
                     size_t max);

/* Whether two are the same place, or may be: an id without an identity is of whatever disk stands
 * at its address. To remove a blob at one of them is to remove it at the other. */
bool place_equal(const struct places *r, const struct place *a, const struct place *b);

/* Whether the place is among those of the list. */
bool places_have(const struct places *r, const struct place *list, unsigned n,
                 const struct place *place);

/* How many zones the listed volumes are in. */
unsigned places_zones(const struct places *r);

/* Whether copies of any key can be in one zone that could be in two. */
bool places_may_share_zone(const struct places *r);

/* Whether two of these places are in one zone though the listed volumes are in zones enough. One
 * whose volume isn't known counts as one more zone. */
bool places_share_zone(const struct places *r, const struct place *list, unsigned n);

/* What record.placed_by is to say of a record made by the present list. `best`: its places are
 * those that its key has with all volumes up. */
uint32_t places_mark(struct places *r, bool best);

/* The same when other places than the best have been taken after all. */
static inline uint32_t places_mark_worse(uint32_t mark)
{
    return mark & ~1U;
}

/* Whether they still are. While the list is that of its mark, this costs nothing, however long the
 * list is. */
bool places_are_best(struct places *r, const struct key *key, const struct record *record);

/* The volume that has the place, whether it is up or not; NULL when it isn't there: its id is
 * unknown, or another disk stands in its place. */
struct volume *place_volume(struct places *r, const struct place *place);

/* The volume when it can be asked now, else NULL. */
struct volume *place_live(struct places *r, const struct place *place);

/* Whether the place is on this volume; of one whose disk isn't there, on the volume at its address.
 */
bool place_is_of(struct places *r, const struct place *place, const struct volume *volume);

/* Writes the volume's name, or "NAME/svXX". False if the place's id is unknown. */
bool place_text(struct places *r, const struct place *place, char text[PLACE_TEXT_MAX]);

#endif
