/* Stores for commands that have nothing else to do than to wait for them. */
#ifndef MKV_MAINTENANCE_OFFLINE_H
#define MKV_MAINTENANCE_OFFLINE_H

#include "index/store/store.h"

/* Waits until no checkpoint runs. */
void offline_settle(uv_loop_t *loop, struct store *store);

/* Closes the store, if it isn't NULL, and waits for that. */
void offline_close(uv_loop_t *loop, struct store *store);

#endif
