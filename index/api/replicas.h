/* Between records, whose replicas name a volume by its id in the store, and the volumes themselves.
 * An id stands for an address and an identity: another disk behind the same address has another id,
 * and so nothing that the first one held is looked for there. */
#ifndef MKV_API_REPLICAS_H
#define MKV_API_REPLICAS_H

#include "index/api/key.h"
#include "index/cluster/upload.h"
#include "index/cluster/volumes.h"
#include "index/store/store.h"

#define REPLICA_TEXT_MAX (VOLUME_ADDRESS_MAX + 8) /* "host:port/svXX" and a NUL */
#define REPLICA_URL_MAX  UPLOAD_URL_MAX

struct replicas;

/* Takes up the volumes that the store knows already, unlisted. `subvolumes`: 1 to 256, 1 for none.
 * 0 and *replicas, or a negative UV_E* after a log line. */
int replicas_new(uv_loop_t *loop, struct store *store, struct transfers *transfers,
                 unsigned subvolumes, struct replicas **replicas);

/* Makes these the volumes that new keys go to. 0, or a negative UV_E* with nothing changed. */
int replicas_list(struct replicas *replicas, const char *const *names, size_t n);

/* Starts to look after the volumes; `settled` fires as volumes_start() has it. */
void replicas_start(struct replicas *replicas, void (*settled)(void *arg), void *arg);

/* Frees all, then fires `cb`; never inside this call. */
void replicas_stop(struct replicas *replicas, void (*cb)(void *arg), void *arg);

struct volumes *replicas_volumes(struct replicas *replicas);

/* The volumes that may take the key, best first, `max` at most. Returns how many. */
size_t replicas_place(struct replicas *replicas, const struct key *key,
                      struct upload_target *targets, size_t max);

/* A target, which has answered, as a record names it. */
struct replica replica_of(const struct upload_target *target);

/* Whether two name the same place, or may: an id without an identity is of whatever disk stands at
 * its address. To remove a blob at one of them is to remove it at the other. */
bool replica_equal(const struct replicas *replicas, const struct replica *a,
                   const struct replica *b);

bool record_has_replica(const struct replicas *replicas, const struct record *record,
                        const struct replica *replica);

/* The same of a target; of one that has never answered, by its address. */
bool record_has_target(const struct replicas *replicas, const struct record *record,
                       const struct upload_target *target);

/* The volume that holds the replica, whether it is up or not; NULL when it isn't there: its id is
 * unknown, or another disk stands in its place. */
struct volume *replica_volume(struct replicas *replicas, const struct replica *replica);

/* The volume when it can be asked now, else NULL. */
struct volume *replica_live(struct replicas *replicas, const struct replica *replica);

/* Writes "host:port" or "host:port/svXX". False if the replica's id is unknown. */
bool replica_text(struct replicas *replicas, const struct replica *replica,
                  char text[REPLICA_TEXT_MAX]);

/* Writes "http://host:port/svXX/HH/HH/NAME". False likewise. */
bool replica_url(struct replicas *replicas, const struct replica *replica, const struct key *key,
                 char url[REPLICA_URL_MAX]);

#endif
