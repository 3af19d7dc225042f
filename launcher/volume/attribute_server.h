/* Answers POST /_mkv/attributes: a path, a TAB and the base64 of its attribute a line, as
 * blob_lines.h has it. It is what /_mkv/sync does but for the flush, with the same answers: 204
 * says that attributes are set, and not that they would survive a power cut. */
#ifndef MKV_LAUNCHER_ATTRIBUTE_SERVER_H
#define MKV_LAUNCHER_ATTRIBUTE_SERVER_H

#include <uv.h>

#include "index/http/http.h"

#define ATTRIBUTE_WAITING_MAX 16384 /* lines; more are answered 503 */

struct attribute_server;

/* `directory` is the descriptor of what paths are relative to, borrowed. 0 or UV_ENOMEM. */
int attribute_server_new(uv_loop_t *loop, int directory, struct attribute_server **server);

/* Takes a POST, and answers it. */
void attribute_server_post(struct attribute_server *server, struct http_request *http);

/* Fires `cb` when nothing runs any more and the server is freed: now, or when the thread comes
 * back. Only when no requests can come any more. */
void attribute_server_stop(struct attribute_server *server, void (*cb)(void *arg), void *arg);

#endif
