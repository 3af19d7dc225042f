/* Fixed paths that can only be read: GET and HEAD of each, on a port that shows how a process is.
 */
#ifndef MKV_HTTP_ROUTES_H
#define MKV_HTTP_ROUTES_H

#include "index/http/http.h"

#define ROUTES_METHODS "GET, HEAD"

/* For a few readers: whoever watches, a scraper, a load balancer. */
extern const struct http_limits routes_limits;

struct route {
    const char *path;
    bool is_open; /* to those, too, whom the caller's own check would refuse */
    void (*respond)(void *arg, struct http_request *request);
};

/* The route of the request. NULL: answered, because there is none (404), because it isn't a read
 * (405), or because it came from this machine by a name that isn't this machine's (403): then it
 * may be a browser's that shows a stranger's page (DNS rebinding). */
const struct route *routes_find(const struct route *routes, size_t n, struct http_request *request);

#endif
