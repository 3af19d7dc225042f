/* What a volume shows over TCP of how it is (mkv volume --admin), to read and no more:
 *
 *     GET /metrics   what Prometheus reads
 *     GET /healthz   200: the volume's own server answers
 *     GET /readyz    200 when values can be stored; 503 and why they can't
 *
 * It is part of the volume's own server, and so within its sandbox: the sockets are mkv's, who
 * opened them before. */
#ifndef MKV_LAUNCHER_VOLUME_ADMIN_H
#define MKV_LAUNCHER_VOLUME_ADMIN_H

#include "index/http/meter.h"
#include "launcher/volume/volume_health.h"

/* The kinds that requests to the volume's own server are counted by. */
enum volume_operation {
    VOLUME_OPERATION_OTHER,
    VOLUME_OPERATION_SPACE,
    VOLUME_OPERATION_SYNC,
    VOLUME_OPERATION_ATTRIBUTES,
    VOLUME_OPERATION_LIST,
    VOLUME_OPERATION_HASH,
    VOLUME_OPERATION_ASSEMBLE,
    VOLUME_OPERATIONS
};

struct volume_admin;

/* Serves on `n` sockets, n > 0, which it takes over on success; `meter` and `health` are borrowed
 * until the stop. 0 and *admin, or UV_E*. */
int volume_admin_start(uv_loop_t *loop, const int *sockets, size_t n, const struct meter *meter,
                       struct volume_health *health, struct volume_admin **admin);

/* When the certificate that clients of the volume are shown expires, seconds since 1970; 0: it has
 * none. */
void volume_admin_set_expiry(struct volume_admin *admin, int64_t expires);

/* Cuts all of its clients off, frees it and fires `cb`, from the loop. */
void volume_admin_stop(struct volume_admin *admin, void (*cb)(void *arg), void *arg);

#endif
