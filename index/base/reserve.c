/* libuv can't be asked whether its threads could start, so as many others are started before, all
 * at once, and ended again. What they had is then libuv's. */
#include "index/base/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "index/base/log.h"

#define THREADS_DEFAULT 4            /* libuv's */
#define THREADS_MAX     1024         /* libuv's */
#define DESCRIPTORS     16384        /* room for more is made when there are more */
#define MEMORY          (16UL << 20) /* what requests take that come at once */

struct trial {
    uv_thread_t threads[THREADS_MAX];
    size_t n;
    uv_sem_t end;
};

static size_t pool_size(void)
{
    const char *text = getenv("UV_THREADPOOL_SIZE");
    unsigned long n = text != NULL ? strtoul(text, NULL, 10) : THREADS_DEFAULT;

    if (n < 1)
        n = 1;
    return n < THREADS_MAX ? n : THREADS_MAX;
}

static void wait_for_end(void *arg)
{
    struct trial *trial = arg;

    uv_sem_wait(&trial->end);
}

int reserve_check(size_t bytes)
{
    void *memory = malloc(MEMORY + bytes);

    free(memory);
    return memory != NULL ? 0 : UV_ENOMEM;
}

/* The threads and the memory, at the same time. */
static int try_all(struct trial *trial)
{
    size_t wanted = pool_size();
    int rc = 0;

    while (rc == 0 && trial->n < wanted) {
        rc = uv_thread_create(&trial->threads[trial->n], wait_for_end, trial);
        trial->n += rc == 0;
    }
    if (rc == 0)
        rc = reserve_check(0);
    for (size_t i = 0; i < trial->n; i++)
        uv_sem_post(&trial->end);
    for (size_t i = 0; i < trial->n; i++)
        uv_thread_join(&trial->threads[i]);
    return rc;
}

static void nothing_cb(uv_work_t *work)
{
    (void)work;
}

static void worked_cb(uv_work_t *work, int status)
{
    (void)status;
    free(work);
}

static int start_threads(uv_loop_t *loop)
{
    uv_work_t *work = calloc(1, sizeof(*work));
    int rc = UV_ENOMEM;

    if (work != NULL)
        rc = uv_queue_work(loop, work, nothing_cb, worked_cb);
    if (rc < 0)
        free(work);
    return rc;
}

struct room {
    uv_poll_t poll; /* first */
    int fd;
};

static void room_closed_cb(uv_handle_t *handle)
{
    struct room *room = (struct room *)handle;

    close(room->fd);
    free(room);
}

/* A descriptor as high as any can be. */
static int open_high(void)
{
    struct rlimit limit = {.rlim_cur = DESCRIPTORS};
    int fd = eventfd(0, EFD_CLOEXEC);
    int high;

    if (fd < 0)
        return -errno;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur > DESCRIPTORS)
        limit.rlim_cur = DESCRIPTORS;
    high = fcntl(fd, F_DUPFD_CLOEXEC, (int)limit.rlim_cur - 3); /* what libuv rounds to */
    if (high < 0)
        high = -errno;
    close(fd);
    return high;
}

/* The loop's table grows with the number of the highest descriptor that it watches. */
static int make_room(uv_loop_t *loop)
{
    struct room *room = calloc(1, sizeof(*room));
    int rc = UV_ENOMEM;

    if (room == NULL)
        return rc;
    room->fd = open_high();
    rc = room->fd < 0 ? room->fd : uv_poll_init(loop, &room->poll, room->fd);
    if (rc < 0) {
        if (room->fd >= 0)
            close(room->fd);
        free(room);
        return rc;
    }
    rc = uv_poll_start(&room->poll, UV_READABLE, NULL);
    uv_close((uv_handle_t *)&room->poll, room_closed_cb);
    return rc;
}

int reserve_take(uv_loop_t *loop)
{
    struct trial *trial = calloc(1, sizeof(*trial));
    int rc = trial != NULL ? uv_sem_init(&trial->end, 0) : UV_ENOMEM;

    if (rc == 0) {
        rc = try_all(trial);
        uv_sem_destroy(&trial->end);
    }
    free(trial);
    if (rc == 0)
        rc = start_threads(loop);
    if (rc == 0)
        rc = make_room(loop);
    if (rc < 0)
        log_error("cannot get the %zu threads and the memory that mkv needs: %s; is there a limit "
                  "(ulimit -v, ulimit -u, a cgroup)?",
                  pool_size(), uv_strerror(rc));
    return rc;
}
