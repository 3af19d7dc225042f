#include "index/api/removal.h"

#include <string.h>

#include "index/base/log.h"

/* --- What is remembered ---------------------------------------------------------------------- */

static bool same_place(const struct replica *a, const struct replica *b)
{
    return a->volume == b->volume && a->has_subvolume == b->has_subvolume &&
           a->subvolume == b->subvolume;
}

static bool has_replica(const struct record *record, const struct replica *replica)
{
    for (unsigned i = 0; i < record->n_replicas; i++) {
        if (same_place(&record->replicas[i], replica))
            return true;
    }
    return false;
}

bool orphans_add(struct record *orphans, const struct record *record)
{
    for (unsigned i = 0; i < record->n_replicas; i++) {
        if (has_replica(orphans, &record->replicas[i]))
            continue;
        if (orphans->n_replicas == RECORD_REPLICAS_MAX)
            return false;
        orphans->replicas[orphans->n_replicas++] = record->replicas[i];
    }
    return true;
}

void orphans_subtract(struct record *orphans, const struct record *record)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < orphans->n_replicas; i++) {
        if (!has_replica(record, &orphans->replicas[i]))
            orphans->replicas[kept++] = orphans->replicas[i];
    }
    orphans->n_replicas = kept;
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

static void keep(struct removal *removal, unsigned i, int rc, int status)
{
    char url[API_URL_MAX];

    removal->left.replicas[removal->left.n_replicas++] = removal->orphans.replicas[i];
    if (!api_replica_url(removal->api, &removal->orphans.replicas[i], removal->key, url))
        return;
    if (rc < 0)
        log_info("a blob without a key stays for now at %s: %s", url, uv_strerror(rc));
    else
        log_info("a blob without a key stays for now at %s: the volume answered %d", url, status);
}

static void deleted_cb(struct transfer *transfer, int rc, int status)
{
    struct removal *removal = transfer->data;

    if (!api_volume_succeeded(rc, status) && status != 404)
        keep(removal, (unsigned)(transfer - removal->transfers), rc, status);
    if (--removal->n_pending == 0)
        removal->done(removal);
}

int removal_start(struct removal *removal, struct api *api, const struct key *key,
                  const struct record *orphans, removal_cb done)
{
    char url[API_URL_MAX];

    removal->api = api;
    removal->key = key;
    removal->orphans = removal->left = *orphans;
    removal->left.n_replicas = 0;
    removal->done = done;
    removal->n_pending = 0;
    for (unsigned i = 0; i < orphans->n_replicas; i++) {
        int rc = UV_EINVAL;

        removal->transfers[i].data = removal;
        if (api_replica_url(api, &orphans->replicas[i], key, url))
            rc = transfer_delete(api->transfers, &removal->transfers[i], url, deleted_cb);
        if (rc == 0)
            removal->n_pending++;
        else
            keep(removal, i, rc, 0);
    }
    return removal->n_pending > 0 ? 0 : UV_ENOMEM;
}
