#include "index/maintenance/offline.h"

void offline_settle(uv_loop_t *loop, struct store *store)
{
    struct store_stats stats;

    store_stats(store, &stats);
    while (stats.checkpoint_running) {
        uv_run(loop, UV_RUN_ONCE);
        store_stats(store, &stats);
    }
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
