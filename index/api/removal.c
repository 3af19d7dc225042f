#include "index/api/removal.h"

#include "index/base/log.h"

static void log_orphan(struct removal *removal, unsigned i, int rc, int status)
{
    char url[API_URL_MAX];

    if (!api_replica_url(removal->api, &removal->replicas[i], removal->key, url))
        return;
    if (rc < 0)
        log_warn("a blob without a key stays behind at %s: %s", url, uv_strerror(rc));
    else
        log_warn("a blob without a key stays behind at %s: the volume answered %d", url, status);
}

static void deleted_cb(struct transfer *transfer, int rc, int status)
{
    struct removal *removal = transfer->data;

    if (!api_volume_succeeded(rc, status) && status != 404)
        log_orphan(removal, (unsigned)(transfer - removal->transfers), rc, status);
    if (--removal->n_pending == 0)
        removal->done(removal);
}

int removal_start(struct removal *removal, struct api *api, const struct key *key,
                  const struct replica *replicas, unsigned n, removal_cb done)
{
    char url[API_URL_MAX];

    removal->api = api;
    removal->key = key;
    removal->replicas = replicas;
    removal->done = done;
    removal->n_pending = 0;
    for (unsigned i = 0; i < n; i++) {
        int rc = UV_EINVAL;

        removal->transfers[i].data = removal;
        if (api_replica_url(api, &replicas[i], key, url))
            rc = transfer_delete(api->transfers, &removal->transfers[i], url, deleted_cb);
        if (rc == 0)
            removal->n_pending++;
        else
            log_orphan(removal, i, rc, 0);
    }
    return removal->n_pending > 0 ? 0 : UV_ENOMEM;
}
