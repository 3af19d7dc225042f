/* What an index shows over TCP of how it is (mkv index --admin), to read and no more:
 *
 *     GET /          the status page (page.h)
 *     GET /status    what status.h describes
 *     GET /metrics   what Prometheus reads (metrics.h)
 *     GET /healthz   200: the process answers
 *     GET /readyz    200 when it can serve; 503 and why it can't (readiness.h)
 *
 * Jobs and dumps are for the admin socket alone. Where the index has keys, all but /healthz and
 * /readyz is for those who have the right ACCESS_ADMIN. */
#ifndef MKV_ADMIN_PORT_H
#define MKV_ADMIN_PORT_H

#include "index/admin/admin.h"

struct admin_port;

/* Whether the sender of the request may see all this; false: answered. */
typedef bool (*admin_admits_cb)(struct http_request *request, void *arg);

/* Serves on `n` listening TCP sockets, n > 0, which it takes over on success. `admin` is borrowed
 * until the callback of the stop. 0 and *port, or a negative UV_E* after a log line. */
int admin_port_start(const struct admin *admin, const int *sockets, size_t n,
                     admin_admits_cb admits, void *arg, struct admin_port **port);

/* Lets requests end, and fires `cb` from the loop; `port` is freed just before. */
void admin_port_stop(struct admin_port *port, void (*cb)(void *arg), void *arg);

/* Cuts off what still runs. Only after admin_port_stop(), before its callback. */
void admin_port_abort(struct admin_port *port);

#endif
