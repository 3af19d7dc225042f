/* The child says by a pipe when it serves. It hears TERM alone: what a terminal sends to all its
 * processes is for the parent, which then tells the child. The kernel sends it TERM when the parent
 * is gone. */
#include "launcher/commands/offline_index.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "index/access/secret.h"
#include "index/access/ticket.h"
#include "index/base/log.h"
#include "index/base/reserve.h"
#include "index/server.h"
#include "launcher/commands/interrupts.h"
#include "launcher/commands/settings.h"

#define DRAIN_MS 5000

/* What is to be started. */
struct order {
    const char *directory;
    const char *lead;
    bool only_reads;
    struct settings settings;
    struct secrets secrets;
    struct tls_files tls;
};

/* --- The child ------------------------------------------------------------------------------- */

struct offline {
    uv_loop_t loop;
    uv_signal_t term;
    struct index_server *server;
};

static void stopped_cb(void *arg)
{
    struct offline *o = arg;

    uv_close((uv_handle_t *)&o->term, NULL);
}

static void term_cb(uv_signal_t *term, int signal)
{
    struct offline *o = term->data;

    (void)signal;
    index_server_stop(o->server, DRAIN_MS, stopped_cb, o);
}

static int start_server(struct offline *o, const struct order *order)
{
    const struct settings *s = &order->settings;
    const struct index_server_options options = {
        .directory = order->directory,
        .store_uri = s->store_uri,
        .only_reads = order->only_reads,
        .tls = &order->tls,
        .volumes = s->volumes.entries,
        .n_volumes = s->volumes.count,
        .subvolumes = s->subvolumes,
        .copies = s->replicas,
        .sync = s->sync,
        .grace_ms = s->grace_ms,
        .md5 = s->md5,
        .secrets = &order->secrets,
        .ticket_ttl = TICKET_TTL,
    };
    int rc = reserve_take(&o->loop);

    return rc < 0 ? rc : index_server_start(&o->loop, &options, &o->server);
}

static void hear_only_term(void)
{
    sigset_t term;

    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_UNBLOCK, &term, NULL);
}

/* What a byte can say of the result of a start. */
static unsigned char byte_of(int rc)
{
    return (unsigned char)(rc > -256 ? -rc : EIO);
}

/* The exit code. */
static int serve(const struct order *order, int ready)
{
    struct offline o = {.server = NULL};
    int rc = uv_loop_init(&o.loop);
    unsigned char told;

    if (rc < 0) {
        log_error("cannot set up the event loop: %s", uv_strerror(rc));
        return EXIT_FAILURE;
    }
    uv_signal_init(&o.loop, &o.term);
    o.term.data = &o;
    uv_signal_start(&o.term, term_cb, SIGTERM);
    hear_only_term();
    rc = start_server(&o, order);
    if (rc < 0)
        uv_close((uv_handle_t *)&o.term, NULL);
    told = byte_of(rc);
    if (write(ready, &told, 1) < 0 && rc == 0)
        raise(SIGTERM); /* the parent has gone */
    close(ready);
    uv_run(&o.loop, UV_RUN_DEFAULT);
    uv_loop_close(&o.loop);
    return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* --- The parent ------------------------------------------------------------------------------ */

static pid_t fork_child(const struct order *order, int ends[2])
{
    pid_t parent = getpid();
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid < 0) {
        pid = -errno;
        log_error("cannot start a process for the index: %s", strerror(-pid));
    }
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* blocked until there is a handler: interrupts_init() */
    if (getppid() != parent)
        exit(EXIT_FAILURE);
    close(ends[0]);
    log_set_lead(order->lead);
    exit(serve(order, ends[1]));
}

/* 0, or -errno: what the child says, or -ECHILD when it ended without a word. */
static int await_ready(int ready)
{
    unsigned char told;
    ssize_t n = 0;

    if (interrupts_wait(ready, -1))
        n = read(ready, &told, 1);
    else if (interrupts_signal() != 0)
        return -EINTR;
    return n == 1 ? -(int)told : -ECHILD;
}

static pid_t start_child(const struct order *order)
{
    int ends[2];
    pid_t pid;
    int rc;

    if (pipe2(ends, O_CLOEXEC) < 0) {
        rc = -errno;
        log_error("cannot start a process for the index: %s", strerror(-rc));
        return rc;
    }
    pid = fork_child(order, ends);
    close(ends[1]);
    rc = pid > 0 ? await_ready(ends[0]) : 0;
    close(ends[0]);
    if (rc == 0)
        return pid;
    if (rc == -ECHILD)
        log_error("the process for the index has died");
    offline_index_stop(pid);
    return rc;
}

static int read_secrets(struct order *order)
{
    char why[SECRET_WHY_SIZE];
    int rc = 0;

    if (order->settings.secret_file != NULL)
        rc = secrets_read(order->settings.secret_file, &order->secrets, why);
    if (rc < 0)
        log_error("the secret that this index was last run with can't be used: %s", why);
    return rc;
}

static int read_tls(struct order *order)
{
    char why[TLS_WHY_SIZE];
    int rc = tls_files_read(&order->settings.tls, &order->tls, why);

    if (rc < 0)
        log_error("the files of TLS that this index was last run with can't be used: %s", why);
    return rc;
}

pid_t offline_index_start(const char *directory, bool only_reads, const char *lead)
{
    struct order order = {.directory = directory, .lead = lead, .only_reads = only_reads};
    pid_t pid;
    int rc = settings_read(directory, &order.settings);

    if (rc < 0)
        return rc;
    rc = read_secrets(&order);
    if (rc == 0)
        rc = read_tls(&order);
    pid = rc < 0 ? rc : start_child(&order);
    secrets_deinit(&order.secrets);
    tls_files_deinit(&order.tls);
    settings_deinit(&order.settings);
    return pid;
}

void offline_index_stop(pid_t pid)
{
    kill(pid, SIGTERM);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}
