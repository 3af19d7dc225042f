/* A watcher is a streamed answer. It has a timer, which looks after its job some times a second,
 * and keeps nothing of it but the id and how many findings it has sent: a client that reads slowly
 * costs no memory, and gets fewer lines of progress. */
#include "index/admin/admin_jobs.h"

#include <stdlib.h>
#include <string.h>

#include "index/admin/job_request.h"
#include "index/admin/json_values.h"
#include "index/base/buf.h"

#define LOOK_MS     50  /* between looks at the job */
#define PROGRESS_MS 250 /* between lines that say how far it is */
#define JSON_LINES  "application/x-ndjson"

struct watcher {
    uv_timer_t timer;
    struct http_request *request;
    const struct jobs *jobs;
    uint64_t id;
    size_t n_told;    /* findings */
    uint64_t told_at; /* loop time of the last line of progress; 0: none yet */
    bool is_hungry;   /* the client has taken all so far */
    struct buf out;
};

/* --- Watching -------------------------------------------------------------------------------- */

static void closed_cb(uv_handle_t *handle)
{
    struct watcher *w = handle->data;

    buf_deinit(&w->out);
    free(w);
}

static void leave(struct watcher *w)
{
    uv_close((uv_handle_t *)&w->timer, closed_cb);
}

static void gone_cb(struct http_request *request)
{
    leave(http_request_data(request));
}

static void give_up(struct watcher *w)
{
    struct http_request *request = w->request;

    leave(w);
    http_fail(request);
}

/* As many as go into a piece of the answer. */
static int append_findings(struct watcher *w, const struct job *job)
{
    int rc = 0;

    while (rc == 0 && w->n_told < job->n_findings && buf_size(&w->out) < HTTP_STREAM_BOUND) {
        const struct job_finding *finding = &job->findings[w->n_told++];

        rc = buf_append(&w->out, finding->line, finding->len);
        if (rc == 0)
            rc = buf_append_string(&w->out, "\n");
    }
    return rc;
}

static void finish(struct watcher *w)
{
    struct http_request *request = w->request;

    leave(w);
    http_finish(request);
}

/* Writes what there is to be told; the findings come before the last line. */
static void tell(struct watcher *w)
{
    const struct job *job = jobs_find(w->jobs, w->id);
    uint64_t now = uv_now(w->timer.loop);
    bool is_last = false;
    int rc = job != NULL ? 0 : UV_ENOENT;

    buf_clear(&w->out);
    if (rc == 0)
        rc = append_findings(w, job);
    if (rc == 0 && buf_size(&w->out) == 0) {
        is_last = job->state != JOB_RUNNING;
        if (is_last || w->told_at == 0 || now - w->told_at >= PROGRESS_MS) {
            w->told_at = now;
            rc = json_append_line(&w->out, json_of_job(job));
        }
    }
    if (rc < 0) {
        give_up(w);
        return;
    }
    w->is_hungry = buf_size(&w->out) == 0;
    http_write(w->request, buf_bytes(&w->out), buf_size(&w->out));
    if (is_last)
        finish(w);
}

static void more_cb(struct http_request *request)
{
    tell(http_request_data(request));
}

static void look_cb(uv_timer_t *timer)
{
    struct watcher *w = timer->data;

    if (w->is_hungry)
        tell(w);
}

static void watch(struct admin *admin, struct http_request *request, const struct job *job)
{
    static const struct http_writer writer = {.more = more_cb, .closed = gone_cb};
    struct watcher *w = calloc(1, sizeof(*w));

    if (w == NULL) {
        http_respond_text(request, 503, "out of memory\n");
        return;
    }
    w->request = request;
    w->jobs = admin->jobs;
    w->id = job->id;
    uv_timer_init(admin->loop, &w->timer);
    w->timer.data = w;
    uv_timer_start(&w->timer, look_cb, LOOK_MS, LOOK_MS);
    http_request_set_data(request, w);
    http_add_header(request, "Content-Type", JSON_LINES);
    if (!http_respond_start(request, 200, &writer))
        leave(w);
}

/* --- The other requests ---------------------------------------------------------------------- */

static void respond_json(struct http_request *request, int status, json_t *value)
{
    struct buf line = {0};

    http_add_header(request, "Content-Type", "application/json");
    if (json_append_line(&line, value) == 0)
        http_respond(request, status, buf_bytes(&line), buf_size(&line));
    else
        http_respond_text(request, 503, "out of memory\n");
    buf_deinit(&line);
}

static int status_for(int rc)
{
    switch (rc) {
    case 0:
        return 202;
    case UV_EALREADY:
        return 409;
    case UV_EAGAIN:
    case UV_ENOMEM:
    case UV_ESHUTDOWN:
        return 503;
    default:
        return 422;
    }
}

static void start(struct admin *admin, struct http_request *request, const struct job_type *type)
{
    struct job_options options;
    struct job *job;
    char wrong[JOB_REQUEST_TEXT_MAX];
    char text[JOB_TEXT_MAX + 1];
    size_t len;
    const char *query = http_request_query(request, &len);
    int rc;

    if (job_request_parse(type, query, len, &options, wrong) < 0) {
        http_respond_text(request, 400, wrong);
        return;
    }
    rc = jobs_start(admin->jobs, type, &options, &job, text);
    if (rc == 0 || rc == UV_EALREADY) {
        respond_json(request, status_for(rc), json_of_job(job));
        return;
    }
    strcat(text, "\n");
    http_respond_text(request, status_for(rc), text);
}

static void respond_method(struct http_request *request, const char *allow)
{
    http_add_header(request, "Allow", allow);
    http_respond_text(request, 405, "");
}

static void respond_kind(struct admin *admin, struct http_request *request, const char *name,
                         size_t len)
{
    const struct job_type *type = job_type_find(name, len);

    if (type == NULL || type->is_own)
        http_respond_text(request, 404, "there is no such kind of job\n");
    else if (http_request_method(request) == HTTP_METHOD_POST)
        start(admin, request, type);
    else
        respond_method(request, "POST");
}

static void respond_job(struct admin *admin, struct http_request *request, uint64_t id)
{
    struct job *job = jobs_find(admin->jobs, id);

    if (job == NULL) {
        http_respond_text(request, 404, "there is no such job\n");
        return;
    }
    switch (http_request_method(request)) {
    case HTTP_METHOD_GET:
    case HTTP_METHOD_HEAD:
        watch(admin, request, job);
        break;
    case HTTP_METHOD_DELETE:
        job_cancel(job);
        job = jobs_find(admin->jobs, id);
        respond_json(request, 202, json_of_job(job));
        break;
    default:
        respond_method(request, "GET, HEAD, DELETE");
    }
}

static void respond_jobs(struct admin *admin, struct http_request *request)
{
    enum http_method method = http_request_method(request);

    if (method == HTTP_METHOD_GET || method == HTTP_METHOD_HEAD)
        respond_json(request, 200, json_of_jobs(admin->jobs));
    else
        respond_method(request, "GET, HEAD");
}

bool admin_jobs_respond(struct admin *admin, struct http_request *request)
{
    static const char prefix[] = "/jobs";
    size_t n = sizeof(prefix) - 1;
    size_t len;
    const char *path = http_request_path(request, &len);
    uint64_t id;

    if (len < n || memcmp(path, prefix, n) != 0 || (len > n && path[n] != '/'))
        return false;
    if (len == n)
        respond_jobs(admin, request);
    else if (job_request_id(path + n + 1, len - n - 1, &id) == 0)
        respond_job(admin, request, id);
    else
        respond_kind(admin, request, path + n + 1, len - n - 1);
    return true;
}
