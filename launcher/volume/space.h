/* Answers GET /_mkv/space, which a volume's nginx passes on as it does /_mkv/sync: how the volume
 * is, what is left on its disk for an unprivileged user, and how long names may be there, in bytes:
 *
 *     {"total":N,"free":N,"names":255,"state":"up","reason":""}
 *
 * The state is "up", "read-only" or "down", with a reason; numbers that aren't known are missing.
 * With no inode left nothing is free. */
#ifndef MKV_LAUNCHER_SPACE_H
#define MKV_LAUNCHER_SPACE_H

#include "index/http/http.h"
#include "launcher/volume/volume_trial.h"

#define SPACE_TARGET "/_mkv/space"

/* Answers with the finding, at once. `name_max` as in struct volume_dir. */
void space_answer(struct http_request *http, const struct volume_finding *finding,
                  unsigned name_max);

#endif
