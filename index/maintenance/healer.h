/* What the cluster does by itself: when a volume is away for long, its copies are made elsewhere
 * (heal.h); and in the course of weeks every copy is read once (verify.h). Both are jobs that can
 * be seen and cancelled as any other. While more than half of the volumes are away both are held:
 * then it is the network. */
#ifndef MKV_MAINTENANCE_HEALER_H
#define MKV_MAINTENANCE_HEALER_H

#include "index/maintenance/job.h"

struct healer;

struct healer_options {
    uint64_t repair_after; /* ms that a volume is away before its copies are made elsewhere; 0:
                              never */
    uint64_t verify_every; /* ms in which every copy is read once; 0: never */
};

struct healer_state {
    struct healer_options options;
    bool held;             /* more than half of the volumes are away */
    uint64_t verify_begun; /* of the round that runs, ms since 1970; 0: none does */
    uint64_t verified;     /* begin of the last round that is complete, likewise */
};

/* Begins to watch the volumes. `jobs` is borrowed, and stops after it. 0 and *healer, or UV_ENOMEM.
 */
int healer_start(struct objects *objects, struct jobs *jobs, const struct healer_options *options,
                 struct healer **healer);

/* Whether the disk of that place is away for so long that its copy counts as lost. */
bool healer_is_lost(const struct healer *healer, const struct place *place);

void healer_state(const struct healer *healer, struct healer_state *state);

/* Frees it, then fires `cb`; never inside this call. The jobs have ended. */
void healer_stop(struct healer *healer, void (*cb)(void *arg), void *arg);

#endif
