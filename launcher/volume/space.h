/* Answers GET /_mkv/space, which a volume's nginx passes on as it does /_mkv/sync: how the volume
 * is, and what is left on its disk for an unprivileged user, in bytes:
 *
 *     {"total":N,"free":N,"state":"up","reason":""}
 *
 * The state is "up", "read-only" or "down", with a reason; the numbers are missing where the disk
 * can't be asked. With no inode left nothing is free. */
#ifndef MKV_LAUNCHER_SPACE_H
#define MKV_LAUNCHER_SPACE_H

#include "index/http/http.h"
#include "launcher/volume/volume_trial.h"

#define SPACE_TARGET "/_mkv/space"

/* Answers with the finding, at once. */
void space_answer(struct http_request *http, const struct volume_finding *finding);

#endif
