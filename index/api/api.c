#include "index/api/api.h"

#include <errno.h>
#include <string.h>

#include "index/api/auth.h"
#include "index/api/list.h"
#include "index/api/write_head.h"
#include "index/base/operation.h"
#include "index/cluster/pace.h"
#include "index/http/meter.h"

static bool is_health(const struct key *key)
{
    static const char path[] = "/_mkv/health";

    return key->len == sizeof(path) - 1 && memcmp(key->bytes, path, key->len) == 0;
}

int api_status(int rc)
{
    switch (rc) {
    case UV_EILSEQ:
        return 400;
    case UV_ENOENT:
        return 404;
    case UV_EEXIST:
        return 409;
    case -ENODATA:
        return 411;
    case UV_ENAMETOOLONG:
        return 414;
    case UV_EREMOTEIO:
        return 502;
    case UV_EAGAIN:
    case UV_EBUSY:
    case STORE_CONFLICT:
    case UV_EIO:
    case UV_ENOBUFS:
    case UV_ENOMEM:
    case UV_ETIMEDOUT:
    case STORE_AWAY:
        return 503;
    case UV_ENOSPC:
        return 507;
    default:
        return 500;
    }
}

static void refuse_method(const struct api *api, struct http_request *request)
{
    http_add_header(request, "Allow", api->only_reads ? API_METHODS_READ : API_METHODS);
    http_respond_text(request, 405, "");
}

static void handle_reserved(struct http_request *request, const struct key *key)
{
    enum http_method method = http_request_method(request);

    if (is_health(key))
        http_request_set_kind(request, OPERATION_HEALTH);
    if (is_health(key) && (method == HTTP_METHOD_GET || method == HTTP_METHOD_HEAD))
        http_respond_text(request, 200, "ok\n");
    else
        http_respond_text(request, 404, "");
}

static void handle_write(struct api *api, struct http_request *request, const struct key *key,
                         const struct access_auth *auth)
{
    const char *text;
    int status = write_head_refuses(request, &text);

    if (status != 0) {
        http_respond_text(request, status, text);
        return;
    }
    switch (http_request_method(request)) {
    case HTTP_METHOD_PUT:
        api_put(api, request, key, auth);
        break;
    case HTTP_METHOD_DELETE:
        api_delete(api, request, key);
        break;
    case HTTP_METHOD_UNLINK:
        api_unlink(api, request, key);
        break;
    case HTTP_METHOD_REBALANCE:
        api_rebalance(api, request, key);
        break;
    case HTTP_METHOD_GET:
    case HTTP_METHOD_HEAD:
    case HTTP_METHOD_POST:
    case HTTP_METHOD_OTHER:
        break; /* as in api_handle() */
    }
}

static void handle_key(struct api *api, struct http_request *request, const struct key *key,
                       bool is_read)
{
    struct access_auth auth = {.who = NULL};

    if (!auth_admits(api, request, is_read ? ACCESS_READ : ACCESS_WRITE, key->bytes, key->len,
                     &auth))
        return;
    if (is_read)
        api_get(api, request, key);
    else
        handle_write(api, request, key, &auth);
    access_auth_deinit(&auth);
}

static enum operation operation_of(enum http_method method)
{
    static const enum operation operations[] = {
        [HTTP_METHOD_GET] = NATIVE_GET,
        [HTTP_METHOD_HEAD] = NATIVE_HEAD,
        [HTTP_METHOD_PUT] = NATIVE_PUT,
        [HTTP_METHOD_DELETE] = NATIVE_DELETE,
        [HTTP_METHOD_UNLINK] = NATIVE_UNLINK,
        [HTTP_METHOD_POST] = NATIVE_OTHER,
        [HTTP_METHOD_REBALANCE] = NATIVE_REBALANCE,
        [HTTP_METHOD_OTHER] = NATIVE_OTHER,
    };

    return operations[method];
}

void api_handle(struct http_request *request, void *arg)
{
    struct api *api = arg;
    struct key key;
    enum http_method method = http_request_method(request);
    bool is_read = method == HTTP_METHOD_GET || method == HTTP_METHOD_HEAD;
    size_t len;
    const char *path = http_request_path(request, &len);
    const char *problem;

    http_request_set_kind(request, operation_of(method));
    http_add_header(request, HTTP_REQUEST_ID_HEADER, http_request_id(request));
    pace_client_asks(transfers_pace(api->objects->transfers));
    if (method == HTTP_METHOD_POST || method == HTTP_METHOD_OTHER ||
        (api->only_reads && !is_read)) {
        refuse_method(api, request);
        return;
    }
    /* RFC 9110, section 9.3.1: it means nothing, and has carried attacks by request smuggling. */
    if (is_read && http_request_content_length(request) != 0) {
        http_respond_text(request, 400, "a read has no body\n");
        return;
    }
    if (is_read && api_list(api, request))
        return;
    problem = key_decode(path, len, &key);
    if (problem != NULL) {
        http_respond_text(request, 400, problem);
        return;
    }
    if (key_is_reserved(key.bytes, key.len))
        handle_reserved(request, &key);
    else
        handle_key(api, request, &key, is_read);
}
