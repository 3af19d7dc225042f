/* Answers GET /_mkv/space, which a volume's nginx passes on as it does /_mkv/sync: what is left on
 * the disk for an unprivileged user, in bytes, as {"total":N,"free":N}. With no inode left nothing
 * is free. 500 when the disk can't be asked. */
#ifndef MKV_LAUNCHER_SPACE_H
#define MKV_LAUNCHER_SPACE_H

#include <uv.h>

#include "index/http/http.h"

#define SPACE_TARGET "/_mkv/space"

/* `directory` is a descriptor of the volume's directory, borrowed until the loop has ended. The
 * disk is asked in a worker, since a sick one may take its time. */
void space_answer(uv_loop_t *loop, int directory, struct http_request *http);

#endif
