#include "index/admin/admin_port.h"

#include <stdlib.h>

#include "index/admin/history.h"
#include "index/admin/metrics.h"
#include "index/admin/page.h"
#include "index/admin/readiness.h"
#include "index/admin/status.h"
#include "index/base/buf.h"
#include "index/base/log.h"
#include "index/http/routes.h"

struct admin_port {
    const struct admin *admin;
    struct http_server *http;
    struct history history; /* of what clients have asked the API for, */
    uv_timer_t sample;      /* a sample of which is taken when this fires */
    admin_admits_cb admits;
    void *arg;
    void (*stop_cb)(void *arg);
    void *stop_arg;
};

static void respond_page(void *arg, struct http_request *request)
{
    const struct admin_port *port = arg;

    page_respond(port->admin, &port->history, request);
}

static void respond_status(void *arg, struct http_request *request)
{
    const struct admin_port *port = arg;

    admin_respond_status(port->admin, request);
}

static void respond_metrics(void *arg, struct http_request *request)
{
    const struct admin_port *port = arg;

    metrics_respond(port->admin, request);
}

static void respond_health(void *arg, struct http_request *request)
{
    (void)arg;
    http_respond_text(request, 200, "ok\n");
}

static void respond_readiness(void *arg, struct http_request *request)
{
    const struct admin_port *port = arg;
    char why[READINESS_TEXT_MAX];

    if (readiness_check(port->admin, why))
        http_respond_text(request, 200, "ok\n");
    else
        http_respond_text(request, 503, why);
}

static const struct route routes[] = {
    {"/", false, respond_page},           {"/status", false, respond_status},
    {"/metrics", false, respond_metrics}, {"/healthz", true, respond_health},
    {"/readyz", true, respond_readiness},
};

static void handle_cb(struct http_request *request, void *arg)
{
    struct admin_port *port = arg;
    const struct route *route = routes_find(routes, sizeof(routes) / sizeof(routes[0]), request);

    if (route != NULL && (route->is_open || port->admits(request, port->arg)))
        route->respond(port, request);
}

static void sample_cb(uv_timer_t *timer)
{
    struct admin_port *p = timer->data;
    struct history_totals totals;

    if (p->admin->meter == NULL)
        return;
    history_sum(p->admin->meter, &totals);
    history_add(&p->history, &totals);
}

static void start_sampling(struct admin_port *p)
{
    uv_timer_init(p->admin->loop, &p->sample);
    p->sample.data = p;
    uv_timer_start(&p->sample, sample_cb, HISTORY_INTERVAL, HISTORY_INTERVAL);
}

int admin_port_start(const struct admin *admin, const int *sockets, size_t n,
                     admin_admits_cb admits, void *arg, struct admin_port **port)
{
    struct admin_port *p = calloc(1, sizeof(*p));
    int rc = UV_ENOMEM;

    if (p != NULL) {
        *p = (struct admin_port){.admin = admin, .admits = admits, .arg = arg};
        rc = http_server_start(admin->loop, sockets, n, &routes_limits, ROUTES_METHODS, handle_cb,
                               p, &p->http);
    }
    if (rc == 0) {
        start_sampling(p);
        *port = p;
        return 0;
    }
    log_error("cannot serve the port of --admin: %s", uv_strerror(rc));
    free(p);
    return rc;
}

static void closed_cb(uv_handle_t *timer)
{
    struct admin_port *p = timer->data;
    void (*cb)(void *) = p->stop_cb;
    void *cb_arg = p->stop_arg;

    free(p);
    cb(cb_arg);
}

static void http_stopped_cb(void *arg)
{
    struct admin_port *p = arg;

    p->http = NULL;
    uv_close((uv_handle_t *)&p->sample, closed_cb);
}

void admin_port_stop(struct admin_port *p, void (*cb)(void *arg), void *arg)
{
    p->stop_cb = cb;
    p->stop_arg = arg;
    http_server_stop(p->http, http_stopped_cb, p);
}

void admin_port_abort(struct admin_port *p)
{
    if (p->http != NULL)
        http_server_abort(p->http);
}
