#include "launcher/volume/volume_admin.h"

#include <stdio.h>
#include <stdlib.h>

#include "index/base/process.h"
#include "index/http/routes.h"

struct volume_admin {
    struct http_server *http;
    const struct meter *meter;
    struct volume_health *health;
    int64_t expires;
    void (*stop_cb)(void *arg);
    void *stop_arg;
};

static const char *name_of(unsigned kind)
{
    static const char *const names[VOLUME_OPERATIONS] = {"other", "space", "sync",    "attributes",
                                                         "list",  "hash",  "assemble"};

    return names[kind];
}

static void add_disk(struct volume_health *health, struct exposition *e)
{
    struct volume_finding finding;

    volume_health_get(health, &finding);
    exposition_gauge(e, "mkv_disk_up", "1 when what the volume holds can be read, else 0.",
                     finding.condition != VOLUME_IS_DOWN);
    exposition_gauge(e, "mkv_disk_writable", "1 when the volume can store and remove, else 0.",
                     finding.condition == VOLUME_IS_UP);
    if (finding.total == 0)
        return;
    exposition_gauge(e, "mkv_disk_size_bytes", "Bytes of the disk.", finding.total);
    exposition_gauge(e, "mkv_disk_free_bytes",
                     "Bytes of the disk that are free to a user without privileges.", finding.free);
}

static void render(const struct volume_admin *a, struct exposition *e)
{
    static const struct exposition_label labels[] = {{"version", MKV_VERSION}, {.name = NULL}};
    static const struct meter_names names = {
        .prefix = "mkv_server", .operation = name_of, .n = VOLUME_OPERATIONS};

    exposition_begin(e, "mkv_build_info", "gauge", "Always 1; the label says which mkv this is.");
    exposition_add(e, labels, 1, 1);
    if (a->expires != 0)
        exposition_gauge(e, "mkv_certificate_expiry_timestamp_seconds",
                         "When the certificate that clients are shown expires, since 1970.",
                         (uint64_t)a->expires);
    add_disk(a->health, e);
    meter_expose(a->meter, &names, e);
    process_expose(e);
}

static void respond_metrics(void *arg, struct http_request *request)
{
    struct buf text = {.data = NULL};
    struct exposition e = {.out = &text};

    render(arg, &e);
    if (e.failed) {
        http_respond_text(request, 503, "out of memory\n");
    } else {
        http_add_header(request, "Content-Type", EXPOSITION_TYPE);
        http_respond(request, 200, buf_bytes(&text), buf_size(&text));
    }
    buf_deinit(&text);
}

static void respond_health(void *arg, struct http_request *request)
{
    (void)arg;
    http_respond_text(request, 200, "ok\n");
}

static void respond_readiness(void *arg, struct http_request *request)
{
    const struct volume_admin *a = arg;
    struct volume_finding finding;
    char why[VOLUME_REASON_SIZE + 32];

    volume_health_get(a->health, &finding);
    snprintf(why, sizeof(why), "the volume is %s%s%s\n", volume_condition_name(finding.condition),
             finding.reason[0] != '\0' ? ": " : "", finding.reason);
    http_respond_text(request, finding.condition == VOLUME_IS_UP ? 200 : 503, why);
}

static void handle_cb(struct http_request *request, void *arg)
{
    static const struct route routes[] = {{"/metrics", true, respond_metrics},
                                          {"/healthz", true, respond_health},
                                          {"/readyz", true, respond_readiness}};
    const struct route *route = routes_find(routes, sizeof(routes) / sizeof(routes[0]), request);

    if (route != NULL)
        route->respond(arg, request);
}

int volume_admin_start(uv_loop_t *loop, const int *sockets, size_t n, const struct meter *meter,
                       struct volume_health *health, struct volume_admin **admin)
{
    struct volume_admin *a = calloc(1, sizeof(*a));
    int rc;

    if (a == NULL)
        return UV_ENOMEM;
    a->meter = meter;
    a->health = health;
    rc =
        http_server_start(loop, sockets, n, &routes_limits, ROUTES_METHODS, handle_cb, a, &a->http);
    if (rc < 0)
        free(a);
    else
        *admin = a;
    return rc;
}

void volume_admin_set_expiry(struct volume_admin *admin, int64_t expires)
{
    admin->expires = expires;
}

static void http_stopped_cb(void *arg)
{
    struct volume_admin *a = arg;
    void (*cb)(void *) = a->stop_cb;
    void *cb_arg = a->stop_arg;

    free(a);
    cb(cb_arg);
}

void volume_admin_stop(struct volume_admin *a, void (*cb)(void *arg), void *arg)
{
    a->stop_cb = cb;
    a->stop_arg = arg;
    http_server_stop(a->http, http_stopped_cb, a);
    http_server_abort(a->http);
}
