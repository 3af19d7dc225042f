/* Answers POST /_mkv/sync, whose body is a path a line, as blob_lines.h has it, which an attribute
 * may follow:
 *
 *     204   all these files, the directories that lead to them, and the attributes are durable
 *     400   a line is no such path     404   a file is missing     413   over 64 KiB
 *     500, 507   the disk failed, or is full     503   too much is waiting, or the disk hangs
 *
 * All but 204 carry a line of text, those about a file with its path. Where the file system has no
 * attributes, or no room for one, files are stored without: that is logged, and no failure. */
#ifndef MKV_LAUNCHER_SYNC_SERVER_H
#define MKV_LAUNCHER_SYNC_SERVER_H

#include "index/http/http.h"
#include "launcher/volume/sync.h"

/* Takes a POST, and answers it. `sync` is borrowed, and must not be freed before its callbacks have
 * fired. */
void sync_server_post(struct sync *sync, struct http_request *http);

#endif
