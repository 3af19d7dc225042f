/* Happy path: the child is started and says that it serves; a stop sends it the time that it has;
 * it ends, and its group is empty: the timer is closed, and the stop's callback fires.
 *
 * One that dies unasked is started again, a while after its group is empty. One that doesn't end in
 * time after a stop is killed; one that a hanging disk holds can't even be killed, and is left. */
#include "launcher/volume/volume_process.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "index/base/log.h"
#include "launcher/nginx/nginx_process.h"

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 10000
#define STEADY_MS      10000 /* has run this long: the next death is a first one */
#define READY_MS       30000
#define ENDING_MS      20000 /* for what is at the disk, after the drain */
#define KILLED_MS      2000  /* for the end of one that was killed */

#define N_INHERITED 4 /* and the admin port's */

static const unsigned legal_moves[] = {
    [VOLUME_PROCESS_RUNNING] = 1U << VOLUME_PROCESS_CLEANING | 1U << VOLUME_PROCESS_STOPPING,
    [VOLUME_PROCESS_CLEANING] = 1U << VOLUME_PROCESS_BACKOFF | 1U << VOLUME_PROCESS_STOPPING,
    [VOLUME_PROCESS_BACKOFF] = 1U << VOLUME_PROCESS_RUNNING | 1U << VOLUME_PROCESS_STOPPING,
    [VOLUME_PROCESS_STOPPING] = 0,
};

static void set_state(struct volume_process *p, enum volume_process_state state)
{
    assert(legal_moves[p->state] & 1U << state);
    p->state = state;
}

static void close_control(struct volume_process *p)
{
    if (p->control >= 0)
        close(p->control);
    p->control = -1;
}

/* --- Its end --------------------------------------------------------------------------------- */

static void timer_closed_cb(uv_handle_t *handle)
{
    struct volume_process *p = handle->data;

    p->stop_cb(p->stop_arg);
}

static void maybe_finish(struct volume_process *p)
{
    if (p->state != VOLUME_PROCESS_STOPPING || p->running ||
        uv_is_closing((uv_handle_t *)&p->timer))
        return;
    close_control(p);
    uv_close((uv_handle_t *)&p->timer, timer_closed_cb);
}

static void line_cb(struct child *child, const char *text, size_t len)
{
    (void)child;
    log_relay(text, len);
}

static void exit_cb(struct child *child, int status)
{
    struct volume_process *p = child->arg;
    char how[80];

    nginx_process_describe_exit(status, how, sizeof(how));
    /* One that ended by itself has said why. */
    if (!p->served && WIFSIGNALED(status))
        log_error("the volume's own server %s before it served", how);
    if (p->served && p->state == VOLUME_PROCESS_STOPPING && WIFEXITED(status) && status != 0)
        log_error("the volume's own server %s when it was to end", how);
    if (p->state != VOLUME_PROCESS_RUNNING)
        return;
    log_limited(LOG_LEVEL_ERROR, "the volume's own server %s; it is started again", how);
    if (uv_now(p->children->loop) - p->started_at >= STEADY_MS)
        p->backoff_ms = BACKOFF_MIN_MS;
    set_state(p, VOLUME_PROCESS_CLEANING);
}

static void back_off(struct volume_process *p);

static void gone_cb(struct child *child)
{
    struct volume_process *p = child->arg;

    p->running = false;
    close_control(p);
    if (p->state == VOLUME_PROCESS_CLEANING)
        back_off(p);
    maybe_finish(p);
}

/* --- Its start ------------------------------------------------------------------------------- */

static int spawn_with(struct volume_process *p, int control)
{
    const struct volume_dir *d = p->dir;
    int inherit[N_INHERITED + LISTENERS_MAX] = {p->sockets.own, d->fd, d->prefix.fd, control};
    char numbers[N_INHERITED + 3][12];
    char admin[LISTENERS_MAX * 12] = "";
    char expires[24];
    const char *const argv[] = {"mkv",      VOLUME_PROCESS_COMMAND,
                                numbers[0], numbers[1],
                                numbers[2], numbers[3],
                                numbers[4], numbers[5],
                                numbers[6], admin,
                                expires,    d->path,
                                NULL};
    const struct child_options options = {.argv = argv,
                                          .program = "/proc/self/exe",
                                          .inherit = inherit,
                                          .n_inherit = N_INHERITED + p->sockets.n_admin,
                                          .line_cb = line_cb,
                                          .exit_cb = exit_cb,
                                          .gone_cb = gone_cb,
                                          .arg = p};

    for (size_t i = 0; i < N_INHERITED; i++)
        snprintf(numbers[i], sizeof(numbers[i]), "%d", inherit[i]);
    snprintf(numbers[4], sizeof(numbers[4]), "%d", (int)p->log_level);
    snprintf(numbers[5], sizeof(numbers[5]), "%d", (int)d->prefix.read_only);
    snprintf(numbers[6], sizeof(numbers[6]), "%u", d->name_max);
    snprintf(expires, sizeof(expires), "%" PRId64, p->expires);
    for (size_t i = 0; i < p->sockets.n_admin; i++) {
        size_t n = strlen(admin);

        inherit[N_INHERITED + i] = p->sockets.admin[i];
        snprintf(admin + n, sizeof(admin) - n, "%d ", p->sockets.admin[i]);
    }
    return child_start(&p->child, p->children, &options);
}

static int spawn(struct volume_process *p)
{
    int ends[2];
    int rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 ? -errno : 0;

    if (rc == 0) {
        rc = spawn_with(p, ends[1]);
        close(ends[1]);
        if (rc < 0)
            close(ends[0]);
    }
    if (rc < 0) {
        log_limited(LOG_LEVEL_ERROR, "cannot run the volume's own server: %s", strerror(-rc));
        return rc;
    }
    p->control = ends[0];
    p->running = true;
    p->started_at = uv_now(p->children->loop);
    return 0;
}

static void backoff_cb(uv_timer_t *timer)
{
    struct volume_process *p = timer->data;

    if (spawn(p) < 0)
        back_off(p);
    else
        set_state(p, VOLUME_PROCESS_RUNNING);
}

static void back_off(struct volume_process *p)
{
    if (p->state != VOLUME_PROCESS_BACKOFF)
        set_state(p, VOLUME_PROCESS_BACKOFF);
    uv_timer_start(&p->timer, backoff_cb, p->backoff_ms, 0);
    p->backoff_ms = p->backoff_ms * 2 < BACKOFF_MAX_MS ? p->backoff_ms * 2 : BACKOFF_MAX_MS;
}

/* The byte that it serves. If it ends before, it has said why. */
static int await_ready(struct volume_process *p)
{
    struct pollfd control = {.fd = p->control, .events = POLLIN};
    char byte;
    int n;

    do
        n = poll(&control, 1, READY_MS);
    while (n < 0 && errno == EINTR);
    if (n == 0) {
        log_error("the volume's own server did not come up in %d s; is this machine overloaded, or "
                  "its disk?",
                  READY_MS / 1000);
        return UV_ETIMEDOUT;
    }
    p->served = read(p->control, &byte, 1) == 1;
    return p->served ? 0 : UV_EIO;
}

int volume_process_start(struct volume_process *process, struct children *children,
                         const struct volume_dir *dir, const struct volume_sockets *sockets,
                         enum log_level log_level)
{
    struct volume_process *p = process;
    int64_t expires = p->expires;
    int rc;

    *p = (struct volume_process){.children = children,
                                 .dir = dir,
                                 .sockets = *sockets,
                                 .expires = expires,
                                 .log_level = log_level,
                                 .control = -1,
                                 .backoff_ms = BACKOFF_MIN_MS};
    uv_timer_init(children->loop, &p->timer);
    p->timer.data = p;
    rc = spawn(p);
    return rc < 0 ? rc : await_ready(p);
}

/* --- A stop ---------------------------------------------------------------------------------- */

static void left_cb(uv_timer_t *timer)
{
    struct volume_process *p = timer->data;

    log_warn("the disk hangs, and the volume's own server with it: it is left like that");
    child_abandon(&p->child);
}

static void ending_cb(uv_timer_t *timer)
{
    struct volume_process *p = timer->data;

    log_warn("the volume's own server does not end, and is killed");
    child_signal_group(&p->child, SIGKILL);
    uv_timer_start(timer, left_cb, KILLED_MS, 0);
}

/* To one that has died meanwhile there is nothing to say. */
static void tell(struct volume_process *p, struct volume_process_word word)
{
    if (p->control >= 0)
        (void)!send(p->control, &word, sizeof(word), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void volume_process_set_expiry(struct volume_process *process, int64_t expires)
{
    process->expires = expires;
    if (process->children != NULL)
        tell(process, (struct volume_process_word){VOLUME_PROCESS_EXPIRY, expires});
}

void volume_process_stop(struct volume_process *process, unsigned drain_ms, void (*cb)(void *arg),
                         void *arg)
{
    struct volume_process *p = process;

    if (p->state != VOLUME_PROCESS_STOPPING) {
        set_state(p, VOLUME_PROCESS_STOPPING);
        p->stop_cb = cb;
        p->stop_arg = arg;
    }
    tell(p, (struct volume_process_word){VOLUME_PROCESS_STOP, drain_ms});
    if (p->running)
        uv_timer_start(&p->timer, ending_cb, (uint64_t)drain_ms + ENDING_MS, 0);
    maybe_finish(p);
}
