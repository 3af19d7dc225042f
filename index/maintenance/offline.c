#include "index/maintenance/offline.h"

#include "index/base/log.h"

void offline_settle(uv_loop_t *loop, struct store *store)
{
    struct store_stats stats;

    store_stats(store, &stats);
    while (stats.checkpoint_running) {
        uv_run(loop, UV_RUN_ONCE);
        store_stats(store, &stats);
    }
}

/* The one that runs may have begun before the last commit; the second holds it. */
int offline_checkpoint(uv_loop_t *loop, struct store *store)
{
    struct store_stats stats;

    offline_settle(loop, store);
    store_checkpoint(store);
    offline_settle(loop, store);
    store_stats(store, &stats);
    if (stats.checkpoint_error == 0 && stats.pending_bytes > 0) {
        log_error("cannot begin a checkpoint: out of memory");
        return UV_ENOMEM;
    }
    return stats.checkpoint_error;
}

static void closed_cb(void *arg)
{
    *(bool *)arg = true;
}

void offline_close(uv_loop_t *loop, struct store *store)
{
    bool closed = store == NULL;

    if (store != NULL)
        store_close(store, closed_cb, &closed);
    while (!closed)
        uv_run(loop, UV_RUN_ONCE);
}
