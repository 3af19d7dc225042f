/* What the front's nginx is told of the volumes with --reads=proxy: to which addresses it keeps
 * connections. The index names a volume to it by the address where it answers, and nginx connects
 * anew to one that isn't among these. So they may be wrong or too few: nginx never has a name to
 * look up, which could keep it from starting. */
#ifndef MKV_LAUNCHER_UPSTREAMS_H
#define MKV_LAUNCHER_UPSTREAMS_H

#include <stdbool.h>

#include "index/base/buf.h"
#include "launcher/commands/volume_list.h"

/* Both end with a NUL. All zero is nothing yet. */
struct upstreams {
    struct buf blocks; /* upstream blocks */
    struct buf map;    /* lines of a map from addresses to their names */
};

/* Looks the volumes up; with `wanted` false, none. One that can't be resolved is logged and left
 * out; after five seconds no other lookup is begun, but one may take longer. 0, or UV_ENOMEM after
 * a log line. */
int upstreams_make(struct upstreams *upstreams, const struct volume_list *volumes, bool wanted);

void upstreams_deinit(struct upstreams *upstreams);

#endif
