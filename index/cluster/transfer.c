/* A PUT, happy path: the request goes to libcurl, which takes the body from `read` as the socket
 * takes it; when `read` has nothing the upload pauses until transfer_wake(). The volume's answer
 * ends it, the handle goes back to the pool, and `done` fires.
 *
 * Failures: the volume can't be reached, answers early, breaks off (libcurl says so), or makes no
 * progress (stall_cb in multi.c, since libcurl's own speed limit can't tell whose fault it is); the
 * caller cancels. */
#include "index/cluster/transfer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/http_date.h"
#include "index/base/log.h"
#include "index/base/volume_name.h"
#include "index/cluster/internal.h"
#include "index/cluster/volumes.h"

#define UPLOAD_BUFFER   (64 * 1024L)
#define DOWNLOAD_BUFFER (128 * 1024L)
#define ANSWER_MAX      (64 * 1024) /* bytes of an answer's body; nobody reads it */

const struct transfer_limits transfer_default_limits = {
    .connect_timeout = 3000,
    .stall_timeout = 10000,
    .down_timeout = 1000,
    .post_timeout = 30000,
    .durable_timeout = 60000,
    .kept_connections = SIZE_MAX,
};

int transfers_new(uv_loop_t *loop, const struct transfer_limits *limits, struct transfers **engine)
{
    struct transfers *e = calloc(1, sizeof(*e));
    int rc;

    if (e == NULL)
        return UV_ENOMEM;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(e);
        return UV_ENOMEM;
    }
    if (!(curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_ASYNCHDNS))
        log_warn("this libcurl can't look names up in the background: while it does, all waits");
    e->loop = loop;
    e->limits = *limits;
    LIST_INIT(&e->active);
    STAILQ_INIT(&e->ended);
    STAILQ_INIT(&e->wakes);
    LIST_INIT(&e->flushers);
    LIST_INIT(&e->waiting);
    rc = multi_start(e);
    if (rc < 0) {
        free(e);
        return rc;
    }
    *engine = e;
    return 0;
}

static size_t read_cb(char *bytes, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    ssize_t got = t->read(t, bytes, size * n);

    t->progress = uv_now(t->engine->loop);
    if (got == UV_EAGAIN) {
        t->starved = true;
        return CURL_READFUNC_PAUSE;
    }
    if (got < 0)
        return CURL_READFUNC_ABORT;
    if (t->left >= 0)
        t->left -= got;
    /* With a known size libcurl doesn't ask for the end. */
    if (got == 0 || t->left == 0)
        t->body_sent = true;
    return (size_t)got;
}

static long status_of(const struct transfer *t)
{
    long status = 0;

    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static int64_t length_of(const struct transfer *t)
{
    curl_off_t length = -1;

    curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    return length;
}

/* Whether what comes is what was asked for: all of it, or a range. */
static bool has_body(const struct transfer *t)
{
    long status = status_of(t);

    return status == 200 || status == 206;
}

static size_t write_cb(char *bytes, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;

    t->progress = uv_now(t->engine->loop);
    if (t->write != NULL && has_body(t)) {
        if (t->write(t, bytes, size * n))
            return size * n;
        t->starved = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    t->dropped += size * n;
    return t->dropped <= ANSWER_MAX ? size * n : 0;
}

/* Notes which volume it is that answers. */
static size_t header_cb(char *line, size_t size, size_t n, void *arg)
{
    static const char name[] = "Mkv-Volume-Id:";
    struct transfer *t = arg;
    size_t len = size * n;
    size_t at = sizeof(name) - 1;

    if (len <= at || strncasecmp(line, name, at) != 0)
        return len;
    while (at < len && line[at] == ' ')
        at++;
    n = 0;
    while (at < len && n < TRANSFER_VOLUME_ID_MAX && line[at] != '\0' &&
           strchr(TRANSFER_VOLUME_ID_CHARS, line[at]) != NULL)
        t->volume_id[n++] = line[at++];
    t->volume_id[n] = '\0';
    return len;
}

static CURL *take_handle(struct transfers *engine)
{
    return engine->n_pool > 0 ? engine->pool[--engine->n_pool] : curl_easy_init();
}

static void give_handle(struct transfers *engine, CURL *easy)
{
    if (engine->n_pool == TRANSFER_POOL_MAX) {
        curl_easy_cleanup(easy);
        return;
    }
    curl_easy_reset(easy);
    engine->pool[engine->n_pool++] = easy;
}

static void free_parts(struct transfer *t)
{
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->forget);
    t->headers = t->forget = NULL;
    tls_release(t->tls);
    t->tls = NULL;
}

/* Of a request that could not be started. */
static void forget_start(struct transfers *engine, struct transfer *t)
{
    curl_easy_setopt(t->easy, CURLOPT_RESOLVE, NULL); /* no reset would forget the list */
    give_handle(engine, t->easy);
    free_parts(t);
    t->easy = NULL;
}

/* What every request to a volume sets. */
static void set_common_options(CURL *easy, struct transfer *t, const char *url)
{
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* whatever http_proxy says */
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* A handle that ends while its name is being resolved must not wait for the resolver. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, write_cb);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, header_cb);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
}

static uint64_t flush_time(uint64_t size)
{
    return size / TRANSFER_FLUSH_RATE * 1000;
}

struct pace *transfers_pace(struct transfers *engine)
{
    return &engine->pace;
}

uint64_t transfers_now(const struct transfers *engine)
{
    return uv_now(engine->loop);
}

uint64_t transfers_patience(const struct transfers *engine)
{
    return engine->limits.connect_timeout + engine->limits.stall_timeout;
}

uint64_t transfers_durable_by(const struct transfers *engine, uint64_t size)
{
    return uv_now(engine->loop) + engine->limits.durable_timeout + flush_time(size);
}

void transfers_set_signer(struct transfers *engine, const struct signer *signer)
{
    engine->signer = *signer;
}

const struct signer *transfers_signer(const struct transfers *engine)
{
    return &engine->signer;
}

static int start(struct transfers *engine, struct transfer *t)
{
    t->progress = uv_now(engine->loop);
    if (curl_multi_add_handle(engine->multi, t->easy) != CURLM_OK) {
        forget_start(engine, t);
        return UV_ENOMEM;
    }
    LIST_INSERT_HEAD(&engine->active, t, link);
    multi_watch_stalls(engine);
    return 0;
}

/* Adds a header of its own. On failure the handle and all headers are gone. */
static int set_header(struct transfers *engine, struct transfer *t, const char *header)
{
    struct curl_slist *headers = curl_slist_append(t->headers, header);

    if (headers == NULL) {
        forget_start(engine, t);
        return UV_ENOMEM;
    }
    t->headers = headers;
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, headers);
    return 0;
}

/* Adds the ticket for this method and the path of the URL. On failure as set_header(). */
static int sign_request(struct transfer *t, const char *method, const char *url)
{
    const char *path = strchr(strstr(url, "://") + 3, '/');
    const char *identity = t->identity != NULL ? t->identity : "";
    struct signing_key own = {.version = 0};
    char header[sizeof(TICKET_HEADER ": ") + TICKET_SIZE] = TICKET_HEADER ": ";
    char *ticket = header + sizeof(TICKET_HEADER ": ") - 1;
    size_t len = strcspn(path, "?");
    bool is_signed;

    if (t->volume != NULL)
        is_signed = volume_sign(t->volume, method, path, len, ticket);
    else
        is_signed = sign(&t->engine->signer, &own, identity, method, path, len, ticket);
    ticket_key_deinit(&own.key);
    return is_signed ? set_header(t->engine, t, header) : 0;
}

/* Adds what the volume's log is to call the request. On failure as set_header(). */
static int name_request(struct transfer *t)
{
    char header[64];

    if (t->request_id == NULL)
        return 0;
    snprintf(header, sizeof(header), "X-Request-Id: %.32s", t->request_id);
    return set_header(t->engine, t, header);
}

static int prepare(struct transfers *engine, struct transfer *t, const char *method,
                   const char *url, transfer_done_cb done)
{
    struct volume *volume = t->volume;
    const char *identity = t->identity;
    const char *request_id = t->request_id;
    uint64_t until = t->until;
    void *data = t->data;
    bool anew = t->anew;
    int rc = 0;

    if (engine->aborted)
        return UV_ECANCELED;
    memset(t, 0, sizeof(*t));
    t->data = data;
    t->volume = volume;
    t->identity = identity;
    t->request_id = request_id;
    t->until = until;
    t->engine = engine;
    t->done = done;
    t->stall_timeout = engine->limits.stall_timeout;
    t->easy = take_handle(engine);
    if (t->easy == NULL)
        return UV_ENOMEM;
    set_common_options(t->easy, t, url);
    rc = connection_prepare(t, url, anew);
    if (rc == 0 && volume_name_has_tls(url))
        rc = tls_prepare(t);
    if (rc < 0) {
        forget_start(engine, t);
        return rc;
    }
    rc = sign_request(t, method, url);
    return rc == 0 ? name_request(t) : rc;
}

int transfer_put(struct transfers *engine, struct transfer *t, const char *url, int64_t size,
                 uint64_t time, transfer_read_cb read, transfer_done_cb done)
{
    int rc = prepare(engine, t, "PUT", url, done);
    char header[HTTP_DATE_SIZE + 6] = "Date: ";

    if (rc < 0)
        return rc;
    t->read = read;
    t->left = size;
    t->body_sent = size == 0; /* nobody asks for one */
    http_date_format(time / 1000, header + 6);
    rc = set_header(engine, t, header);
    if (rc == 0) /* else libcurl waits up to a second for "100 Continue" */
        rc = set_header(engine, t, "Expect:");
    if (rc < 0)
        return rc;
    curl_easy_setopt(t->easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(t->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)size);
    curl_easy_setopt(t->easy, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER);
    curl_easy_setopt(t->easy, CURLOPT_READFUNCTION, read_cb);
    curl_easy_setopt(t->easy, CURLOPT_READDATA, t);
    return start(engine, t);
}

int transfer_delete(struct transfers *engine, struct transfer *t, const char *url,
                    transfer_done_cb done)
{
    int rc = prepare(engine, t, "DELETE", url, done);

    if (rc < 0)
        return rc;
    curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, "DELETE");
    return start(engine, t);
}

int transfer_head(struct transfers *engine, struct transfer *t, const char *url,
                  transfer_done_cb done)
{
    int rc = prepare(engine, t, "HEAD", url, done);

    if (rc < 0)
        return rc;
    curl_easy_setopt(t->easy, CURLOPT_NOBODY, 1L);
    return start(engine, t);
}

int transfer_get(struct transfers *engine, struct transfer *t, const char *url, unsigned timeout,
                 transfer_write_cb write, transfer_done_cb done)
{
    int rc = prepare(engine, t, "GET", url, done);

    if (rc < 0)
        return rc;
    t->write = write;
    if (timeout > 0)
        curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)timeout);
    else /* it may be long */
        curl_easy_setopt(t->easy, CURLOPT_BUFFERSIZE, DOWNLOAD_BUFFER);
    return start(engine, t);
}

int transfer_get_range(struct transfers *engine, struct transfer *t, const char *url,
                       uint64_t offset, uint64_t length, transfer_write_cb write,
                       transfer_done_cb done)
{
    char range[2 * 20 + 2];
    int rc = prepare(engine, t, "GET", url, done);

    if (rc < 0)
        return rc;
    t->write = write;
    snprintf(range, sizeof(range), "%" PRIu64 "-%" PRIu64, offset, offset + length - 1);
    curl_easy_setopt(t->easy, CURLOPT_RANGE, range);
    curl_easy_setopt(t->easy, CURLOPT_BUFFERSIZE, DOWNLOAD_BUFFER);
    return start(engine, t);
}

int transfer_post(struct transfers *engine, struct transfer *t, const char *url, const char *text,
                  uint64_t size, transfer_write_cb write, transfer_done_cb done)
{
    int rc = prepare(engine, t, "POST", url, done);

    if (rc == 0)
        rc = set_header(engine, t, "Content-Type: text/plain");
    if (rc == 0) /* as for a PUT, where the text is long */
        rc = set_header(engine, t, "Expect:");
    if (rc < 0)
        return rc;
    t->write = write;
    t->stall_timeout = engine->limits.post_timeout + flush_time(size);
    curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, text);
    return start(engine, t);
}

void transfer_end(struct transfer *t, int rc, int status)
{
    struct transfers *engine = t->engine;

    if (rc == 0) {
        connection_note_address(t);
        t->length = length_of(t);
    }
    connection_count_tries(t);
    curl_multi_remove_handle(engine->multi, t->easy);
    /* libcurl 7.88 forgets in curl_easy_reset() that it wanted to send a body again, from its
     * start, on a second connection: a PUT that failed so would make the next one of its handle
     * fail. */
    if (rc < 0)
        curl_easy_cleanup(t->easy);
    else
        give_handle(engine, t->easy);
    free_parts(t);
    t->easy = NULL;
    t->rc = rc;
    t->status = status;
    LIST_REMOVE(t, link);
    if (t->wake_soon)
        STAILQ_REMOVE(&engine->wakes, t, transfer, wake_link);
    t->wake_soon = false;
    STAILQ_INSERT_TAIL(&engine->ended, t, ended_link);
}

void transfer_wake(struct transfer *t)
{
    if (t->easy == NULL || !t->starved)
        return;
    t->starved = false;
    t->progress = uv_now(t->engine->loop);
    curl_easy_pause(t->easy, CURLPAUSE_CONT);
}

void transfer_wake_soon(struct transfer *t)
{
    if (t->easy == NULL || !t->starved || t->wake_soon)
        return;
    t->wake_soon = true;
    STAILQ_INSERT_TAIL(&t->engine->wakes, t, wake_link);
    multi_fire_soon(t->engine);
}

void transfers_abort(struct transfers *engine)
{
    struct transfer *t;

    engine->aborted = true;
    while ((t = LIST_FIRST(&engine->active)) != NULL)
        transfer_end(t, UV_ECANCELED, 0);
    multi_fire_soon(engine);
}

void transfer_cancel(struct transfer *t)
{
    if (t->easy == NULL)
        return;
    transfer_end(t, UV_ECANCELED, 0);
    multi_fire_soon(t->engine);
}
