/* How a volume is, tried by itself: a thread looks every half a second and writes every three, and
 * what it finds is asked for on the loop, where a change is logged. A disk that hangs holds up
 * that thread alone, and a thread that doesn't come back is a finding, too. */
#ifndef MKV_LAUNCHER_VOLUME_HEALTH_H
#define MKV_LAUNCHER_VOLUME_HEALTH_H

#include <uv.h>

#include "launcher/volume/sync.h"
#include "launcher/volume/volume_trial.h"

#define VOLUME_HANGS_MS 10000 /* a trial, or a flush without progress, takes this long */

struct volume_health;

/* Starts to try. `dir` and `sync`, whose flushes count, too, are borrowed until the stop. 0 or
 * UV_E*. */
int volume_health_start(uv_loop_t *loop, const struct volume_dir *dir, const struct sync *sync,
                        struct volume_health **health);

/* The latest finding. Before the first, a volume that could be started is what it was then. */
void volume_health_get(struct volume_health *health, struct volume_finding *finding);

/* Ends the thread, or leaves it to itself if it hangs, and fires `cb`, not inside this call. */
void volume_health_stop(struct volume_health *health, void (*cb)(void *arg), void *arg);

#endif
