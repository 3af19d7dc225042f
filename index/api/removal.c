#include "index/api/removal.h"

#include <string.h>

#include "index/base/log.h"

/* --- What is remembered ---------------------------------------------------------------------- */

bool orphans_add(const struct replicas *replicas, struct record *orphans,
                 const struct record *record)
{
    for (unsigned i = 0; i < record->n_replicas; i++) {
        if (record_has_replica(replicas, orphans, &record->replicas[i]))
            continue;
        if (orphans->n_replicas == RECORD_REPLICAS_MAX)
            return false;
        orphans->replicas[orphans->n_replicas++] = record->replicas[i];
    }
    return true;
}

void orphans_subtract(const struct replicas *replicas, struct record *orphans,
                      const struct record *record)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < orphans->n_replicas; i++) {
        if (!record_has_replica(replicas, record, &orphans->replicas[i]))
            orphans->replicas[kept++] = orphans->replicas[i];
    }
    orphans->n_replicas = kept;
}

bool orphans_merge(const struct replicas *replicas, struct record *orphans,
                   const struct record *more, const struct record *named)
{
    struct record rest = *more;

    orphans_subtract(replicas, &rest, named);
    orphans_subtract(replicas, orphans, named);
    return orphans_add(replicas, orphans, &rest);
}

int orphans_get(struct api *api, const struct key *key, struct record *orphans)
{
    int rc;

    memset(orphans, 0, sizeof(*orphans));
    rc = store_get(api->store, STORE_ORPHANS, key->bytes, key->len, orphans);
    return rc == UV_ENOENT ? 0 : rc;
}

struct store_change orphans_change(const struct key *key, const struct record *orphans)
{
    return (struct store_change){
        .space = STORE_ORPHANS,
        .key = key->bytes,
        .len = key->len,
        .record = orphans->n_replicas > 0 ? orphans : NULL,
    };
}

/* --- The removal ----------------------------------------------------------------------------- */

static void keep(struct removal *removal, unsigned i)
{
    removal->left.replicas[removal->left.n_replicas++] = removal->orphans.replicas[i];
}

static void deleted_cb(struct transfer *transfer, int rc, int status)
{
    struct removal *removal = transfer->data;
    unsigned i = (unsigned)(transfer - removal->transfers);
    struct volume *volume = replica_volume(removal->api->replicas, &removal->orphans.replicas[i]);

    if (volume != NULL)
        volume_report(volume, rc, status);
    if (volume == NULL || !volume_has_answered(volume, transfer) ||
        (!transfer_succeeded(rc, status) && status != 404)) {
        keep(removal, i);
        if (volume != NULL && rc == 0)
            log_limited(LOG_LEVEL_WARN, "volume %s answered %d to a DELETE", volume->name, status);
    }
    if (--removal->n_pending == 0)
        removal->done(removal);
}

/* 0, or negative: it can't be asked now. */
static int ask(struct removal *removal, unsigned i)
{
    const struct replica *replica = &removal->orphans.replicas[i];
    struct volume *volume = replica_live(removal->api->replicas, replica);
    struct transfer *transfer = &removal->transfers[i];
    char url[REPLICA_URL_MAX];

    if (volume == NULL || !volume_is_writable(volume) ||
        !replica_url(removal->api->replicas, replica, removal->key, url))
        return UV_EINVAL;
    transfer->data = removal;
    transfer->volume = volume;
    return transfer_delete(removal->api->transfers, transfer, url, deleted_cb);
}

int removal_start(struct removal *removal, struct api *api, const struct key *key,
                  const struct record *orphans, removal_cb done)
{
    removal->api = api;
    removal->key = key;
    removal->orphans = removal->left = *orphans;
    removal->left.n_replicas = 0;
    removal->done = done;
    removal->n_pending = 0;
    for (unsigned i = 0; i < orphans->n_replicas; i++) {
        if (ask(removal, i) == 0)
            removal->n_pending++;
        else
            keep(removal, i);
    }
    return removal->n_pending > 0 ? 0 : UV_EAGAIN;
}
