/* What the front and the index say to each other with --reads=proxy, where the front fetches the
 * blob itself (templates/index.conf.in has its side):
 *
 *     front ──▶ index   GET /key, Mkv-Reads: proxy
 *           ◀──         X-Accel-Redirect: /_mkv/blob/ADDRESS/PATH
 *     front ──▶ volume  GET /PATH; should that fail:
 *     front ──▶ index   GET /key, Mkv-Reads: proxy, Mkv-Failed: ,ADDRESS
 *
 * ADDRESS is the IP:PORT that the volume answers at: nginx needs to look up nothing, and to know
 * nothing of the volumes. After PROXY_READ_TRIES it would answer 500 itself, since it follows ten
 * redirects for one request: two for each try. */
#ifndef MKV_API_PROXY_READ_H
#define MKV_API_PROXY_READ_H

#include "index/base/place.h"
#include "index/cluster/volumes.h"
#include "index/http/http.h"

#define PROXY_READ_TRIES 5

/* Whether it is the front that asks, to fetch the blob itself. */
bool proxy_read_is_wanted(const struct http_request *request);

/* How many volumes the front has tried for this request, and whether this is one of them. */
unsigned proxy_read_failures(const struct http_request *request);
bool proxy_read_has_failed(const struct http_request *request, const struct volume *volume);

/* Answers with where the front is to fetch the blob: the path is the blob's, below its subvolume.
 * The volume has answered before. */
void proxy_read_respond(struct http_request *request, const struct place *place, const char *path,
                        const struct volume *volume);

#endif
