/* Happy path: POST starts the job and says its id; a GET streams its lines, which go to the view,
 * up to the last; that decides the exit code. Without a running index one is started first, in a
 * child, which is stopped at the end.
 *
 * A signal DELETEs the job, and the stream goes on to its end, which comes soon. A stream that ends
 * before the last line means that the index has died. */
#include "launcher/commands/job_client.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index/base/io.h"
#include "index/base/json.h"
#include "index/base/log.h"
#include "index/base/text.h"
#include "launcher/commands/admin_client.h"
#include "launcher/commands/index_dir.h"
#include "launcher/commands/interrupts.h"
#include "launcher/commands/job_view.h"
#include "launcher/commands/offline_index.h"

#define STREAM_LINE_MAX (1UL << 20)
#define TEXT_MAX        1024
#define RETRY_MS        100
#define RETRIES         200 /* of a request that is refused for now */

struct client {
    const struct job_request *request;
    const char *directory;
    int fd; /* of it */
    uint64_t id;
    bool is_canceled;
    struct job_view view;
};

/* --- Refusals -------------------------------------------------------------------------------- */

/* Says what an answer of text says. */
static int refuse(const char *what, const struct buf *body)
{
    char text[TEXT_MAX] = "the index doesn't say why";
    size_t len = buf_size(body);

    if (len > 0 && buf_bytes(body)[len - 1] == '\n')
        len--;
    if (len > 0)
        text[text_printable(buf_bytes(body), len, text, sizeof(text) - 1)] = '\0';
    log_error("cannot %s: %s", what, text);
    return -EPERM;
}

static bool is_absent(int rc)
{
    return rc == -ENOENT || rc == -ECONNREFUSED;
}

static int fail(const struct client *c, int rc)
{
    if (is_absent(rc))
        log_error("no index runs on %s: start mkv index, or name its directory with --index DIR",
                  c->directory);
    else if (rc != -EINTR && rc != -EPERM)
        log_error("the index on %s gives no good answer: %s; look at its log", c->directory,
                  strerror(-rc));
    return rc;
}

/* --- Watching -------------------------------------------------------------------------------- */

static int take_lines(struct client *c, struct buf *in)
{
    const char *end;
    int rc = 0;

    while (rc == 0 && buf_size(in) > 0 &&
           (end = memchr(buf_bytes(in), '\n', buf_size(in))) != NULL) {
        rc = job_view_take(&c->view, buf_bytes(in), (size_t)(end - buf_bytes(in)));
        buf_consume(in, (size_t)(end + 1 - buf_bytes(in)));
    }
    return rc < 0 || buf_size(in) <= STREAM_LINE_MAX ? rc : -EPROTO;
}

static void cancel(struct client *c)
{
    struct buf body = {0};
    char target[64];
    int status;

    c->is_canceled = true;
    job_view_clear(&c->view);
    fputs("mkv: the job is being canceled, and ends what is under way first\n", stderr);
    snprintf(target, sizeof(target), "/jobs/%" PRIu64, c->id);
    admin_client_ask(c->fd, "DELETE", target, &body, &status); /* else the stream ends, too */
    buf_deinit(&body);
}

static bool has_ended(const struct client *c)
{
    return c->view.has_line && !c->view.line.is_running;
}

/* Reads what has come. 0, or -errno: -EPIPE when the stream is at its end. */
static int read_more(int socket, struct buf *in)
{
    ssize_t n = io_read_some(socket, in);

    return n > 0 ? 0 : n == 0 ? -EPIPE : (int)n;
}

static int follow(struct client *c, int socket, struct buf *in)
{
    int rc;

    for (;;) {
        rc = take_lines(c, in);
        if (rc == 0 && job_view_settle(&c->view) < 0) {
            job_view_clear(&c->view);
            log_error("cannot write to the standard output; the job goes on");
            return -EPERM;
        }
        if (rc < 0 || has_ended(c))
            return rc;
        if (interrupts_wait(socket, -1))
            rc = read_more(socket, in);
        else if (interrupts_signal() != 0 && !c->is_canceled)
            cancel(c);
        if (rc < 0)
            return rc;
    }
}

static int watch(struct client *c)
{
    struct buf in = {0};
    char target[64];
    int status;
    int socket;
    int rc;

    snprintf(target, sizeof(target), "/jobs/%" PRIu64, c->id);
    socket = admin_client_open(c->fd, "GET", target, &in, &status);
    if (socket < 0) {
        buf_deinit(&in);
        return fail(c, socket);
    }
    rc = status == 200 ? follow(c, socket, &in) : -EPROTO;
    close(socket);
    buf_deinit(&in);
    job_view_clear(&c->view);
    if (rc != -EPIPE && rc != -ECONNRESET)
        return rc < 0 ? fail(c, rc) : 0;
    log_error("the index has died; what the job did is done: run the same command again");
    return -EPERM;
}

static int exit_code_of(struct client *c, int rc)
{
    const struct job_line *line = &c->view.line;

    if (rc == 0 && job_view_end(&c->view) < 0) {
        log_error("cannot write to the standard output");
        rc = -EIO;
    }
    if (interrupts_signal() != 0)
        return 128 + interrupts_signal();
    return rc == 0 && line->is_clean ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* --- Starting -------------------------------------------------------------------------------- */

static int append_flag(struct buf *out, const char *name, bool flag)
{
    return flag ? buf_append_format(out, "&%s=1", name) : 0;
}

static int append_target(struct buf *out, const struct job_request *r)
{
    const struct job_options *o = &r->options;

    if (buf_append_format(out, "/jobs/%s?", r->kind) < 0 ||
        append_flag(out, "dry_run", o->dry_run) < 0 || append_flag(out, "undo", o->undo) < 0 ||
        append_flag(out, "deep", o->deep) < 0 || append_flag(out, "repair", o->repair) < 0 ||
        append_flag(out, "remove_orphans", o->remove_orphans) < 0)
        return -ENOMEM;
    if (o->jobs > 0 && buf_append_format(out, "&jobs=%u", o->jobs) < 0)
        return -ENOMEM;
    if (o->rate > 0 && buf_append_format(out, "&rate=%" PRIu64, o->rate) < 0)
        return -ENOMEM;
    if (o->volume[0] != '\0' && (buf_append_string(out, "&volume=") < 0 ||
                                 json_append_percent(out, o->volume, strlen(o->volume)) < 0))
        return -ENOMEM;
    return buf_append(out, "", 1);
}

/* Sends the request, and again while the index says that it is too early, or too much. */
static int post(struct client *c, const char *target, struct buf *body, int *status)
{
    int rc;

    for (unsigned i = 0;; i++) {
        buf_clear(body);
        rc = admin_client_ask(c->fd, "POST", target, body, status);
        if (rc < 0 || *status != 503 || i == RETRIES)
            return rc;
        interrupts_wait(-1, RETRY_MS);
        if (interrupts_signal() != 0)
            return -EINTR;
    }
}

/* Whether the job that runs does what is asked for. */
static bool is_same(const struct job_options *asked, const struct job_options *runs)
{
    return asked->dry_run == runs->dry_run && asked->undo == runs->undo &&
           asked->deep == runs->deep && asked->repair == runs->repair &&
           asked->remove_orphans == runs->remove_orphans &&
           (asked->jobs == 0 || asked->jobs == runs->jobs) &&
           (asked->rate == 0 || asked->rate == runs->rate);
}

static int attach(struct client *c, const struct job_line *line)
{
    char name[JOB_LINE_NAME_MAX];

    job_line_name(line, name);
    if (!is_same(&c->request->options, &line->options)) {
        log_error("%s runs already, as job %" PRIu64 ", with other options: wait for its end, or "
                  "cancel it (mkv cancel %" PRIu64 ")",
                  name, line->id, line->id);
        return -EPERM;
    }
    fprintf(stderr, "mkv: %s runs already, as job %" PRIu64 "%s\n", name, line->id,
            c->request->detach ? "" : ": this is that one");
    return 0;
}

static int print_detached(const struct client *c, const struct job_line *line, bool is_new,
                          const struct buf *body)
{
    char name[JOB_LINE_NAME_MAX];

    if (c->request->json)
        fwrite(buf_bytes(body), 1, buf_size(body), stdout);
    else if (is_new)
        printf("%s runs as job %" PRIu64 ": `mkv status` shows it, `mkv cancel %" PRIu64
               "` ends it\n",
               job_line_name(line, name), line->id, line->id);
    return fflush(stdout) == 0 ? 0 : -EIO;
}

static int take_started(struct client *c, int status, const struct buf *body)
{
    json_t *json = json_loadb(buf_bytes(body), buf_size(body), 0, NULL);
    struct job_line line;
    int rc = json != NULL ? job_line_read(json, &line) : -EPROTO;

    json_decref(json);
    if (rc == 0 && status == 409)
        rc = attach(c, &line);
    if (rc == 0)
        c->id = line.id;
    if (rc == 0 && c->request->detach)
        rc = print_detached(c, &line, status == 202, body);
    return rc;
}

static int start(struct client *c)
{
    struct buf target = {0};
    struct buf body = {0};
    int status = 0;
    int rc = append_target(&target, c->request);

    if (rc == 0)
        rc = post(c, buf_bytes(&target), &body, &status);
    if (rc == 0 && (status == 202 || status == 409))
        rc = take_started(c, status, &body);
    else if (rc == 0)
        rc = refuse(c->request->kind, &body);
    buf_deinit(&target);
    buf_deinit(&body);
    return rc;
}

/* --- Without a running index ----------------------------------------------------------------- */

static bool only_looks(const struct job_request *request)
{
    const struct job_type *type = job_type_find(request->kind, strlen(request->kind));

    return type != NULL && job_only_looks(type, &request->options);
}

static pid_t start_index(const struct client *c)
{
    char *real;
    pid_t pid;

    if (c->request->detach) {
        log_error("no index runs on %s, and without one a job can't go on by itself: leave out "
                  "--detach",
                  c->directory);
        return -EPERM;
    }
    if (index_dir_become_owner(c->fd) < 0)
        return -EPERM;
    real = realpath(c->directory, NULL);
    if (real == NULL) {
        log_error("cannot use the index directory %s: %s", c->directory, strerror(errno));
        return -EPERM;
    }
    pid = offline_index_start(real, only_looks(c->request), job_view_clearing(&c->view));
    free(real);
    return pid < 0 && pid != -EINTR ? -EPERM : pid;
}

/* 0 and, if an index was started for it, *pid. */
static int start_somewhere(struct client *c, pid_t *pid)
{
    int rc = start(c);

    if (!is_absent(rc))
        return rc < 0 ? fail(c, rc) : 0;
    *pid = start_index(c);
    if (*pid < 0)
        return *pid;
    rc = start(c);
    return rc < 0 ? fail(c, rc) : 0;
}

int job_client_run(const struct job_request *request)
{
    struct client c = {.request = request, .directory = request->directory};
    pid_t pid = 0;
    int exit_code;
    int rc;

    if (index_dir_find(c.directory, &c.fd) < 0)
        return EXIT_FAILURE;
    signal(SIGPIPE, SIG_IGN);
    interrupts_init();
    job_view_init(&c.view, request->json);
    rc = start_somewhere(&c, &pid);
    if (rc == 0 && request->detach) {
        exit_code = EXIT_SUCCESS;
    } else {
        if (rc == 0)
            rc = watch(&c);
        exit_code = exit_code_of(&c, rc);
    }
    if (pid > 0)
        offline_index_stop(pid);
    close(c.fd);
    return exit_code;
}

/* --- Cancelling ------------------------------------------------------------------------------ */

static int cancel_by_id(struct client *c)
{
    struct buf body = {0};
    char target[64];
    int status = 0;
    int rc;

    snprintf(target, sizeof(target), "/jobs/%" PRIu64, c->id);
    rc = admin_client_ask(c->fd, "DELETE", target, &body, &status);
    if (rc == 0 && status != 202)
        rc = refuse("cancel", &body);
    buf_deinit(&body);
    return rc < 0 ? fail(c, rc) : watch(c);
}

int job_client_cancel(const char *directory, uint64_t id)
{
    struct client c = {.directory = directory, .id = id};
    int rc;

    if (index_dir_find(directory, &c.fd) < 0)
        return EXIT_FAILURE;
    signal(SIGPIPE, SIG_IGN);
    interrupts_init();
    job_view_init(&c.view, false);
    c.view.is_quiet = true;
    rc = cancel_by_id(&c);
    if (rc == 0)
        rc = job_view_end(&c.view);
    close(c.fd);
    return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
