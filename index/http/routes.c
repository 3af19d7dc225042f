#include "index/http/routes.h"

#include <string.h>

#include "index/base/address.h"

const struct http_limits routes_limits = {
    .connections = 128,
    .streams = 16,
    .head_timeout = 10000,
    .body_timeout = 10000,
    .idle_timeout = 75000,
    .write_timeout = 30000,
};

static bool is_led_astray(struct http_request *request)
{
    const char *host = http_request_header(request, "Host");

    return http_request_is_local(request) && host != NULL && !address_is_no_domain(host);
}

static const struct route *find(const struct route *routes, size_t n,
                                const struct http_request *request)
{
    size_t len;
    const char *path = http_request_path(request, &len);

    for (size_t i = 0; i < n; i++) {
        if (strlen(routes[i].path) == len && memcmp(routes[i].path, path, len) == 0)
            return &routes[i];
    }
    return NULL;
}

const struct route *routes_find(const struct route *routes, size_t n, struct http_request *request)
{
    enum http_method method = http_request_method(request);
    const struct route *route = NULL;

    if (is_led_astray(request)) {
        http_respond_text(request, 403, "from this machine, ask localhost or an IP address\n");
    } else if (method != HTTP_METHOD_GET && method != HTTP_METHOD_HEAD) {
        http_add_header(request, "Allow", ROUTES_METHODS);
        http_respond_text(request, 405, "");
    } else {
        route = find(routes, n, request);
        if (route == NULL)
            http_respond_text(request, 404, "");
    }
    return route;
}
