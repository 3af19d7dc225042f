#include "tests/support/volume_server.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "index/base/hex.h"
#include "index/base/md5.h"
#include "tests/support/storebox.h"

#define BODY_MAX 65536 /* bytes of a request but a PUT */
#define FDS_MAX  1024

struct volume_exchange {
    struct volume_server *server;
    struct http_request *request;
    enum volume_request kind;
    bool held;
    char path[PLACEMENT_FULL_PATH_MAX];
    struct buf body;
    LIST_ENTRY(volume_exchange) link;
};

/* --- Blobs ----------------------------------------------------------------------------------- */

struct volume_blob *volume_server_find(struct volume_server *server, const char *path)
{
    struct volume_blob *blob;

    LIST_FOREACH(blob, &server->blobs, link)
    {
        if (strcmp(blob->path, path) == 0)
            return blob;
    }
    return NULL;
}

static void free_blob(struct volume_blob *blob)
{
    buf_deinit(&blob->bytes);
    buf_deinit(&blob->note);
    free(blob);
}

static void remove_blob(struct volume_blob *blob)
{
    LIST_REMOVE(blob, link);
    free_blob(blob);
}

void volume_server_store(struct volume_server *server, const char *path, const void *bytes,
                         size_t n)
{
    struct volume_blob *blob = volume_server_find(server, path);

    if (blob != NULL)
        remove_blob(blob);
    blob = calloc(1, sizeof(*blob));
    STOREBOX_CHECK(blob != NULL && buf_append(&blob->bytes, bytes, n) == 0, "out of memory");
    snprintf(blob->path, sizeof(blob->path), "%s", path);
    LIST_INSERT_HEAD(&server->blobs, blob, link);
}

/* --- Requests -------------------------------------------------------------------------------- */

static void exchange_free(struct volume_exchange *e)
{
    LIST_REMOVE(e, link);
    buf_deinit(&e->body);
    free(e);
}

/* Syncs the files that the body names, a line each. The status. */
static int sync_files(struct volume_server *server, const struct buf *body)
{
    struct volume_blob *blob;
    char path[PLACEMENT_FULL_PATH_MAX];
    const char *at = buf_bytes(body);
    size_t left = buf_size(body);

    if (left > BODY_MAX)
        return 413;
    while (left > 0) {
        const char *end = memchr(at, '\n', left);
        size_t n = end != NULL ? (size_t)(end - at) : left;
        const char *note = memchr(at, '\t', n);

        snprintf(path, sizeof(path), "%.*s", (int)(note != NULL ? note - at : (ptrdiff_t)n), at);
        blob = volume_server_find(server, path);
        if (blob == NULL)
            return 409;
        blob->synced = true;
        buf_clear(&blob->note);
        if (note != NULL)
            STOREBOX_CHECK(buf_append(&blob->note, note + 1, (size_t)(at + n - note - 1)) == 0,
                           "out of memory");
        at += n + (end != NULL);
        left -= n + (end != NULL);
    }
    return 204;
}

/* Adds what a source's line says to the blob. False when it isn't there, or of another size. */
static bool add_source(struct volume_server *server, const char *line, struct buf *blob)
{
    char path[PLACEMENT_FULL_PATH_MAX];
    size_t tab = strcspn(line, "\t");
    unsigned long long size = 0;
    unsigned long long offset = 0;
    unsigned long long length;
    int n = sscanf(line + tab, "\t%llu\t%llu\t%llu", &size, &offset, &length);
    const struct volume_blob *source;

    STOREBOX_CHECK(n == 1 || n == 3, "no source: %s", line);
    snprintf(path, sizeof(path), "%.*s", (int)tab, line);
    source = volume_server_find(server, path);
    if (source == NULL || buf_size(&source->bytes) != size)
        return false;
    STOREBOX_CHECK(n == 1 || offset + length <= size, "no range: %s", line);
    STOREBOX_CHECK(buf_append(blob, buf_bytes(&source->bytes) + offset, n == 1 ? size : length) ==
                       0,
                   "out of memory");
    return true;
}

static void say(struct buf *answer, bool done, const char *words, const struct buf *blob)
{
    unsigned char md5[MD5_SIZE];
    char hex[2 * MD5_SIZE + 1];

    if (!done) {
        buf_append_string(answer, "\n/aa/bb/source\tmissing\nnone\n");
    } else if (strncmp(words, "md5", 3) == 0) {
        md5_of(buf_bytes(blob), buf_size(blob), md5);
        hex_write(md5, MD5_SIZE, hex);
        buf_append_format(answer, "\ndone\t%s\n", hex);
    } else {
        buf_append_string(answer, "\ndone\n");
    }
}

/* Makes the blob that the body asks for, and turns the body into the answer. */
static void assemble(struct volume_server *server, struct buf *body)
{
    struct buf blob = {0};
    char path[PLACEMENT_FULL_PATH_MAX];
    unsigned long long size;
    char words[16] = "";
    bool done = true;
    char *line;
    char *rest;

    STOREBOX_CHECK(buf_append(body, "", 1) == 0, "out of memory");
    line = strtok_r(body->data + body->head, "\n", &rest);
    snprintf(path, sizeof(path), "%.*s", (int)strcspn(line, "\t"), line);
    STOREBOX_CHECK(sscanf(line + strlen(path), "\t%llu\t%*u\t%15s", &size, words) == 2,
                   "no target: %s", line);
    while ((line = strtok_r(NULL, "\n", &rest)) != NULL)
        done = done && add_source(server, line, &blob);
    STOREBOX_CHECK(!done || buf_size(&blob) == size, "sources don't add up");
    if (done)
        volume_server_store(server, path, buf_bytes(&blob), buf_size(&blob));
    buf_clear(body);
    say(body, done, words, &blob);
    buf_deinit(&blob);
}

/* Reads the blob, or its range that is asked for. The status. */
static int read_blob(struct volume_exchange *e, const struct volume_blob *blob)
{
    const char *range = http_request_header(e->request, "Range");
    size_t first = 0;
    size_t last = buf_size(&blob->bytes) - 1;

    STOREBOX_CHECK(range == NULL || (sscanf(range, "bytes=%zu-%zu", &first, &last) == 2 &&
                                     first <= last && last < buf_size(&blob->bytes)),
                   "a range of %s", range);
    STOREBOX_CHECK(buf_append(&e->body, buf_bytes(&blob->bytes) + first, last + 1 - first) == 0,
                   "out of memory");
    return range != NULL ? 206 : 200;
}

/* Does it, and returns the status. For a read the body becomes the blob, and for an assembly the
 * answer. */
static int do_it(struct volume_exchange *e)
{
    struct volume_server *server = e->server;
    struct volume_blob *blob = volume_server_find(server, e->path);

    switch (e->kind) {
    case VOLUME_PUT:
        volume_server_store(server, e->path, buf_bytes(&e->body), buf_size(&e->body));
        return 201;
    case VOLUME_SYNC:
        return sync_files(server, &e->body);
    case VOLUME_ASSEMBLE:
        assemble(server, &e->body);
        return 200;
    case VOLUME_DELETE:
        if (blob == NULL)
            return 404;
        remove_blob(blob);
        return 204;
    default:
        if (blob == NULL)
            return 404;
        return read_blob(e, blob);
    }
}

static void never_cb(struct http_request *request)
{
    (void)request;
}

static void close_it(struct http_request *request)
{
    static const struct http_writer writer = {.more = never_cb, .closed = never_cb};

    if (http_respond_start(request, 200, &writer))
        http_fail(request);
}

static void finish(struct volume_exchange *e, enum volume_fate fate)
{
    static const int said[] = {[VOLUME_PUT] = 201,
                               [VOLUME_SYNC] = 204,
                               [VOLUME_ASSEMBLE] = 200,
                               [VOLUME_DELETE] = 204,
                               [VOLUME_READ] = 200};
    struct http_request *request = e->request;
    struct buf answer = {0};
    int status = e->server->refusal;

    if (fate == FATE_DO || fate == FATE_DO_AND_CLOSE)
        status = do_it(e);
    else if (fate == FATE_LIE)
        status = said[e->kind];
    if (fate == FATE_LIE && e->kind == VOLUME_ASSEMBLE) {
        buf_clear(&e->body);
        buf_append_string(&e->body, e->server->assembled);
    }
    if (status == 200 || status == 206) {
        answer = e->body;
        e->body = (struct buf){0};
    }
    http_add_header(request, "Mkv-Volume-Id", e->server->identity);
    exchange_free(e);
    if (fate == FATE_CLOSE || fate == FATE_DO_AND_CLOSE)
        close_it(request);
    else
        http_respond(request, status, buf_bytes(&answer), buf_size(&answer));
    buf_deinit(&answer);
}

static void data_cb(struct http_request *request, const char *bytes, size_t n)
{
    struct volume_exchange *e = http_request_data(request);

    STOREBOX_CHECK(buf_append(&e->body, bytes, n) == 0, "out of memory");
}

static void end_cb(struct http_request *request)
{
    struct volume_exchange *e = http_request_data(request);
    enum volume_fate fate = e->server->fates[e->kind];

    e->server->whole[e->kind]++;
    e->held = fate == FATE_HOLD;
    if (!e->held)
        finish(e, fate);
}

static void closed_cb(struct http_request *request)
{
    exchange_free(http_request_data(request));
}

void volume_server_release(struct volume_server *server, enum volume_request kind)
{
    struct volume_exchange *e = LIST_FIRST(&server->exchanges);

    server->fates[kind] = FATE_DO;
    while (e != NULL) {
        struct volume_exchange *next = LIST_NEXT(e, link);

        if (e->held && e->kind == kind)
            finish(e, FATE_DO);
        e = next;
    }
}

static unsigned port_of(int fd, int (*get)(int, struct sockaddr *, socklen_t *))
{
    struct sockaddr_in address = {.sin_port = 0};
    socklen_t size = sizeof(address);

    return get(fd, (struct sockaddr *)&address, &size) == 0 && address.sin_family == AF_INET
               ? ntohs(address.sin_port)
               : 0;
}

void volume_server_cut(struct volume_server *server)
{
    unsigned port = (unsigned)atoi(strrchr(server->name, ':') + 1);

    for (int fd = 3; fd < FDS_MAX; fd++) {
        if (port_of(fd, getsockname) == port && port_of(fd, getpeername) > 0)
            shutdown(fd, SHUT_RDWR);
    }
}

bool volume_server_holds(const struct volume_server *server)
{
    const struct volume_exchange *e;

    LIST_FOREACH(e, &server->exchanges, link)
    {
        if (e->held)
            return true;
    }
    return false;
}

static bool is_for(const struct http_request *request, const char *target)
{
    size_t n;
    const char *path = http_request_path(request, &n);

    return n == strlen(target) && memcmp(path, target, n) == 0;
}

static bool is_probe(const struct http_request *request)
{
    size_t n;
    const char *path = http_request_path(request, &n);

    return http_request_method(request) == HTTP_METHOD_GET && n > 6 &&
           memcmp(path, "/_mkv/", 6) == 0;
}

static enum volume_request kind_of(const struct http_request *request)
{
    switch (http_request_method(request)) {
    case HTTP_METHOD_PUT:
        return VOLUME_PUT;
    case HTTP_METHOD_DELETE:
        return VOLUME_DELETE;
    case HTTP_METHOD_POST:
        return is_for(request, "/_mkv/assemble") ? VOLUME_ASSEMBLE : VOLUME_SYNC;
    default:
        return VOLUME_READ;
    }
}

static void request_cb(struct http_request *request, void *arg)
{
    static const struct http_body_reader reader = {
        .data = data_cb, .end = end_cb, .closed = closed_cb};
    static const char space[] = "{\"total\":10000000,\"free\":5000000}";
    struct volume_server *server = arg;
    struct volume_exchange *e;
    const char *path;
    size_t n;

    if (is_for(request, "/_mkv/hash")) { /* it reads no blobs itself */
        http_respond(request, 404, NULL, 0);
        return;
    }
    if (is_probe(request)) {
        http_add_header(request, "Mkv-Volume-Id", server->identity);
        http_respond(request, 200, space, sizeof(space) - 1);
        return;
    }
    e = calloc(1, sizeof(*e));
    STOREBOX_CHECK(e != NULL, "out of memory");
    path = http_request_path(request, &n);
    STOREBOX_CHECK(n < sizeof(e->path), "a path of %zu bytes", n);
    memcpy(e->path, path, n);
    e->server = server;
    e->request = request;
    e->kind = kind_of(request);
    LIST_INSERT_HEAD(&server->exchanges, e, link);
    server->begun[e->kind]++;
    if (e->kind == VOLUME_PUT && server->put_cb != NULL)
        server->put_cb(server, e->path, server->put_arg);
    http_request_set_data(request, e);
    http_read_body(request, &reader);
}

/* --- The server ------------------------------------------------------------------------------ */

static int listen_on_loopback(char name[32])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    STOREBOX_CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0 &&
                       listen(fd, 64) == 0 &&
                       getsockname(fd, (struct sockaddr *)&address, &size) == 0,
                   "no socket");
    snprintf(name, 32, "127.0.0.1:%u", ntohs(address.sin_port));
    return fd;
}

void volume_server_start(struct volume_server *server, uv_loop_t *loop, const char *identity)
{
    int fd;

    memset(server, 0, sizeof(*server));
    LIST_INIT(&server->blobs);
    LIST_INIT(&server->exchanges);
    server->refusal = 500;
    server->assembled = "done\n";
    snprintf(server->identity, sizeof(server->identity), "%s", identity);
    fd = listen_on_loopback(server->name);
    STOREBOX_CHECK(http_server_start(loop, &fd, 1, &http_default_limits, "GET", request_cb, server,
                                     &server->http) == 0,
                   "no server");
}

void volume_server_stop(struct volume_server *server, void (*cb)(void *arg), void *arg)
{
    struct volume_blob *blob = LIST_FIRST(&server->blobs);

    while (blob != NULL) {
        struct volume_blob *next = LIST_NEXT(blob, link);

        free_blob(blob);
        blob = next;
    }
    LIST_INIT(&server->blobs);
    http_server_stop(server->http, cb, arg);
    http_server_abort(server->http);
}
