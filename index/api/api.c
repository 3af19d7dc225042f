#include "index/api/api.h"

#include <string.h>

#include "index/api/list.h"
#include "index/api/write_head.h"

/* "/_mkv" and all below it belong to mkv. */
static bool is_reserved(const struct key *key)
{
    static const char prefix[] = "/_mkv";
    size_t n = sizeof(prefix) - 1;

    return key->len >= n && memcmp(key->bytes, prefix, n) == 0 &&
           (key->len == n || key->bytes[n] == '/');
}

static bool is_health(const struct key *key)
{
    static const char path[] = "/_mkv/health";

    return key->len == sizeof(path) - 1 && memcmp(key->bytes, path, key->len) == 0;
}

void api_respond_text(struct http_request *request, int status, const char *text)
{
    if (status == 503)
        http_add_header(request, "Retry-After", "1");
    http_respond(request, status, text, strlen(text));
}

int api_store_status(int rc)
{
    if (rc == UV_ENOSPC)
        return 507;
    return rc == UV_ENOMEM || rc == UV_ENOBUFS || rc == UV_EIO ? 503 : 500;
}

static void refuse_method(struct http_request *request)
{
    http_add_header(request, "Allow", HTTP_ALLOWED);
    api_respond_text(request, 405, "");
}

static void handle_reserved(struct http_request *request, const struct key *key)
{
    enum http_method method = http_request_method(request);

    if (is_health(key) && (method == HTTP_METHOD_GET || method == HTTP_METHOD_HEAD))
        api_respond_text(request, 200, "ok\n");
    else
        api_respond_text(request, 404, "");
}

static void handle_write(struct api *api, struct http_request *request, const struct key *key)
{
    const char *text;
    int status = write_head_refuses(request, &text);

    if (status != 0) {
        api_respond_text(request, status, text);
        return;
    }
    switch (http_request_method(request)) {
    case HTTP_METHOD_PUT:
        api_put(api, request, key);
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

void api_handle(struct http_request *request, void *arg)
{
    struct api *api = arg;
    struct key key;
    enum http_method method = http_request_method(request);
    bool is_read = method == HTTP_METHOD_GET || method == HTTP_METHOD_HEAD;
    size_t len;
    const char *path = http_request_path(request, &len);
    const char *problem;

    if (method == HTTP_METHOD_POST || method == HTTP_METHOD_OTHER) {
        refuse_method(request);
        return;
    }
    /* RFC 9110, section 9.3.1: it means nothing, and has carried attacks by request smuggling. */
    if (is_read && http_request_content_length(request) != 0) {
        api_respond_text(request, 400, "a read has no body\n");
        return;
    }
    if (is_read && api_list(api, request))
        return;
    problem = key_decode(path, len, &key);
    if (problem != NULL) {
        api_respond_text(request, 400, problem);
        return;
    }
    if (is_reserved(&key)) {
        handle_reserved(request, &key);
        return;
    }
    if (is_read)
        api_get(api, request, &key);
    else
        handle_write(api, request, &key);
}
