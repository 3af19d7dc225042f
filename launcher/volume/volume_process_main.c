/* What runs in the process of a volume's own server. Its arguments come from volume_process.c, and
 * the descriptors that they name are inherited. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <uv.h>

#include "index/base/log.h"
#include "index/base/process.h"
#include "index/base/reserve.h"
#include "launcher/volume/sandbox.h"
#include "launcher/volume/sync_disk.h"
#include "launcher/volume/volume_process.h"
#include "launcher/volume/volume_server.h"

#define N_ARGUMENTS 10

struct served {
    uv_loop_t loop;
    uv_pipe_t control;
    char bytes[sizeof(struct volume_process_word)]; /* of a word that comes */
    size_t n;                                       /* of them, so far */
    struct volume_server *server;
    struct volume_dir dir;
};

static void stopped_cb(void *arg)
{
    struct served *s = arg;

    uv_close((uv_handle_t *)&s->control, NULL);
}

static void alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct served *s = handle->data;

    (void)suggested;
    *buf = uv_buf_init(s->bytes + s->n, (unsigned)(sizeof(s->bytes) - s->n));
}

/* Without mkv nobody would end us, nor read our log. */
static void control_cb(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct served *s = stream->data;
    struct volume_process_word word;

    (void)buf;
    if (n < 0)
        _exit(EXIT_FAILURE);
    s->n += (size_t)n;
    if (s->n < sizeof(s->bytes))
        return;
    s->n = 0;
    memcpy(&word, s->bytes, sizeof(word));
    if (word.what == VOLUME_PROCESS_STOP)
        volume_server_stop(s->server, (unsigned)word.value, stopped_cb, s);
    else
        volume_server_set_expiry(s->server, word.value);
}

/* Signals are for mkv, which tells us. When it dies, so do we, whatever waits for the disk. */
static void hear_no_signals(void)
{
    static const int ignored[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGPIPE};

    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        signal(ignored[i], SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "mkv-server");
}

static int lock_in(const struct volume_dir *dir)
{
    bool landlocked;
    int rc;

    sync_disk_prepare();
    process_begin();
    rc = sandbox_enter(dir->fd, &landlocked);
    if (rc < 0 && rc != -ENOSYS) {
        log_error("the volume's own server cannot give up its rights: %s", strerror(-rc));
        return rc;
    }
    if (rc == -ENOSYS)
        log_info("this kernel has no seccomp filters: the volume's own server runs without one");
    if (!landlocked)
        log_info("this kernel has no Landlock of version 2 or later: the volume's own server could "
                 "open files outside %s",
                 dir->path);
    return 0;
}

static int start(struct served *s, const struct volume_sockets *sockets, int control)
{
    int rc = lock_in(&s->dir);

    if (rc == 0)
        rc = reserve_take(&s->loop);
    if (rc == 0)
        rc = volume_server_start(&s->loop, sockets, &s->dir, &s->server);
    if (rc < 0)
        return rc;
    uv_pipe_init(&s->loop, &s->control, 0);
    s->control.data = s;
    rc = write(control, "", 1) == 1 ? 0 : -errno;
    if (rc == 0)
        rc = uv_pipe_open(&s->control, control);
    if (rc == 0)
        rc = uv_read_start((uv_stream_t *)&s->control, alloc_cb, control_cb);
    if (rc < 0)
        _exit(EXIT_FAILURE); /* mkv is gone */
    return 0;
}

/* An inherited descriptor, which nobody is to inherit from us. */
static int take(const char *text)
{
    int fd = (int)strtol(text, NULL, 10);

    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

static void take_admin(const char *text, struct volume_sockets *sockets)
{
    for (; *text != '\0' && sockets->n_admin < LISTENERS_MAX; text += strcspn(text, " ") + 1)
        sockets->admin[sockets->n_admin++] = take(text);
}

int volume_process_main(int argc, char **argv)
{
    struct served s = {.server = NULL};
    struct volume_sockets sockets = {.own = -1};
    int rc;

    if (argc != N_ARGUMENTS) {
        log_error(VOLUME_PROCESS_COMMAND " is for mkv itself: run mkv volume");
        return EXIT_FAILURE;
    }
    hear_no_signals();
    log_open(NULL);
    log_set_level((enum log_level)strtol(argv[4], NULL, 10));
    s.dir = (struct volume_dir){
        .path = argv[9],
        .fd = take(argv[1]),
        .account = {.uid = geteuid(), .gid = getegid()},
        .prefix = {.path = argv[9],
                   .fd = take(argv[2]),
                   .lock = -1,
                   .read_only = strcmp(argv[5], "1") == 0},
        .scratch = {.fd = -1},
        .name_max = (unsigned)strtoul(argv[6], NULL, 10),
    };
    rc = uv_loop_init(&s.loop);
    if (rc < 0) {
        log_error("cannot set up the event loop: %s", uv_strerror(rc));
        return EXIT_FAILURE;
    }
    sockets.own = take(argv[0]);
    take_admin(argv[7], &sockets);
    if (start(&s, &sockets, take(argv[3])) < 0)
        return EXIT_FAILURE;
    volume_server_set_expiry(s.server, strtoll(argv[8], NULL, 10));
    uv_run(&s.loop, UV_RUN_DEFAULT);
    return uv_loop_close(&s.loop) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
