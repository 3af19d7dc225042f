/* Happy path: sync_submit() adds to the waiting batch and begins a flush where none runs; its
 * steps, one a file, are done by worker threads, and those of the next phase, one a directory, when
 * the last has ended (where the file system needs that); then each request is told, and the next
 * flush begins with what has come meanwhile. Where one syncfs(2) is better, a step is a group of
 * files, and there are no directories to do.
 *
 * Failures: a file that is missing concerns its own request alone. After an fsync that failed the
 * kernel takes the data for written, so another one would succeed and mean nothing. Therefore the
 * file is suspect from then on: it is failed until another stands in its place. A flush that hangs
 * can't be ended: the requests that have waited as long as it has got nowhere are told so, and what
 * they named stays in their batch, and becomes suspect with it if it fails in the end. */
#include "launcher/volume/sync.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "index/base/log.h"
#include "index/base/shortage.h"
#include "launcher/volume/sync_disk.h"

#define WORKERS      4    /* as many as libuv has threads, by default */
#define SUSPECTS_MAX 1024 /* with more of them, nothing on this disk can be believed */

STAILQ_HEAD(sync_requests, sync_request);

/* Requests, and the files of all of them. */
struct batch {
    struct sync_requests requests;
    struct sync_file *files;
    size_t n_files;
    size_t capacity;
    char **paths; /* what each of the requests brought, also of those that are gone */
    size_t n_paths;
};

struct directory {
    const char *path; /* of a file in it */
    size_t len;       /* how much of that */
    int rc;
};

struct sync {
    uv_loop_t *loop;
    int directory;
    unsigned hang_ms;
    bool has_syncfs;
    bool syncs_names; /* what is on this device needs no flush of directories */
    dev_t device;
    struct batch waiting;
    struct batch running; /* in use while `flushing` */
    bool flushing;
    struct directory *directories; /* of the running batch */
    size_t n_directories;
    void (*step)(struct sync *sync, size_t i); /* of the current phase; runs in a worker */
    size_t n_steps;
    atomic_size_t next_step;
    uv_work_t works[WORKERS];
    unsigned working;         /* works that have not ended */
    atomic_ullong moved_at;   /* when a step last ended or got on, ns of uv_hrtime() */
    atomic_int group_failure; /* the -errno of a syncfs(2), or 0 */
    struct sync_file *suspects;
    size_t n_suspects;
    bool distrust;    /* too many suspects to tell them apart */
    bool stopping;    /* by sync_stop() */
    uv_timer_t timer; /* looks for requests whose time is over; its close callback is the end */
    void (*stop_cb)(void *arg);
    void *stop_arg;
};

static void flush_begin(struct sync *s);

static void batch_deinit(struct batch *b)
{
    for (size_t i = 0; i < b->n_paths; i++)
        free(b->paths[i]);
    free(b->paths);
    free(b->files);
    memset(b, 0, sizeof(*b));
}

int sync_new(uv_loop_t *loop, int directory, unsigned hang_ms, struct sync **sync)
{
    struct sync *s = calloc(1, sizeof(*s));
    struct stat st;

    if (s == NULL)
        return UV_ENOMEM;
    s->suspects = calloc(SUSPECTS_MAX, sizeof(*s->suspects));
    if (s->suspects == NULL) {
        free(s);
        return UV_ENOMEM;
    }
    s->loop = loop;
    s->directory = directory;
    s->hang_ms = hang_ms;
    s->has_syncfs = sync_disk_has_syncfs(directory);
    s->syncs_names = sync_disk_syncs_names(directory) && fstat(directory, &st) == 0;
    if (s->syncs_names)
        s->device = st.st_dev;
    STAILQ_INIT(&s->waiting.requests);
    uv_timer_init(loop, &s->timer);
    s->timer.data = s;
    *sync = s;
    return 0;
}

static void closed_cb(uv_handle_t *handle)
{
    struct sync *s = handle->data;
    void (*cb)(void *) = s->stop_cb;
    void *arg = s->stop_arg;

    batch_deinit(&s->waiting);
    free(s->suspects);
    free(s);
    cb(arg);
}

void sync_stop(struct sync *sync, void (*cb)(void *arg), void *arg)
{
    assert(!sync->stopping);
    sync->stopping = true;
    sync->stop_cb = cb;
    sync->stop_arg = arg;
    if (!sync->flushing)
        uv_close((uv_handle_t *)&sync->timer, closed_cb);
}

/* Makes room for so many files of one more request. */
static int batch_reserve(struct batch *b, size_t more)
{
    size_t capacity = b->capacity > 0 ? b->capacity : 16;
    struct sync_file *files;
    char **paths;

    if (b->n_files + more <= b->capacity)
        return 0;
    while (capacity < b->n_files + more)
        capacity *= 2;
    files = realloc(b->files, capacity * sizeof(*files));
    if (files == NULL)
        return UV_ENOMEM;
    b->files = files;
    /* A request has one file at least, so these suffice, too. */
    paths = realloc(b->paths, capacity * sizeof(*paths));
    if (paths == NULL)
        return UV_ENOMEM;
    b->paths = paths;
    b->capacity = capacity;
    return 0;
}

int sync_submit(struct sync *sync, struct sync_request *request)
{
    struct batch *b = &sync->waiting;
    const char *path = request->paths;
    int rc;

    assert(request->n_paths > 0 && !sync->stopping);
    if (sync_stuck_ms(sync) >= sync->hang_ms)
        return UV_ETIMEDOUT;
    if (b->n_files > 0 && b->n_files + request->n_paths > SYNC_WAITING_MAX)
        return UV_EAGAIN;
    rc = batch_reserve(b, request->n_paths);
    if (rc < 0)
        return rc;
    b->paths[b->n_paths++] = request->paths;
    request->deadline = uv_now(sync->loop) + sync->hang_ms;
    request->first = b->n_files;
    for (size_t i = 0; i < request->n_paths; i++, path += strlen(path) + 1)
        b->files[b->n_files++] = (struct sync_file){
            .path = path,
            .attribute = request->attributes != NULL ? &request->attributes[i] : NULL,
        };
    STAILQ_INSERT_TAIL(&b->requests, request, link);
    if (!sync->flushing)
        flush_begin(sync);
    return 0;
}

/* --- Time ------------------------------------------------------------------------------------ */

uint64_t sync_stuck_ms(const struct sync *sync)
{
    uint64_t moved_at = atomic_load(&sync->moved_at);
    uint64_t now = uv_hrtime();

    return sync->flushing && now > moved_at ? (now - moved_at) / 1000000 : 0;
}

bool sync_distrusts(const struct sync *sync)
{
    return sync->distrust;
}

static void give_up(struct sync *s, struct batch *b)
{
    struct sync_request *request;

    while (sync_stuck_ms(s) >= s->hang_ms && (request = STAILQ_FIRST(&b->requests)) != NULL &&
           request->deadline <= uv_now(s->loop)) {
        STAILQ_REMOVE_HEAD(&b->requests, link);
        request->cb(request, UV_ETIMEDOUT, NULL);
    }
}

static void timer_cb(uv_timer_t *timer)
{
    struct sync *s = timer->data;

    give_up(s, &s->running);
    give_up(s, &s->waiting);
}

/* --- The end of a flush ---------------------------------------------------------------------- */

static void suspect(struct sync *s, const struct sync_file *file)
{
    if (s->n_suspects < SUSPECTS_MAX) {
        s->suspects[s->n_suspects++] = *file;
        return;
    }
    if (!s->distrust)
        log_error("%zu files could not be made durable: check the disk, and restart mkv",
                  s->n_suspects);
    s->distrust = true;
}

static bool is_suspect(const struct sync *s, const struct sync_file *file)
{
    for (size_t i = 0; i < s->n_suspects; i++) {
        const struct sync_file *x = &s->suspects[i];

        if (x->inode == file->inode && x->device == file->device &&
            x->born.tv_sec == file->born.tv_sec && x->born.tv_nsec == file->born.tv_nsec)
            return true;
    }
    return s->distrust;
}

/* Hands a failure on to all files that it concerns. */
static void spread_failures(struct sync *s, const char *path, size_t len, int rc)
{
    for (size_t i = 0; i < s->running.n_files; i++) {
        struct sync_file *file = &s->running.files[i];

        if (file->rc == 0 && strncmp(file->path, path, len) == 0 &&
            (len == 0 || file->path[len] == '/'))
            file->rc = rc;
    }
}

/* Can the file's data have got lost by this? Not when it was us who could not look at it. */
static bool is_doubtful(const struct sync_file *file)
{
    return file->inode != 0 && !is_shortage(-file->rc) && file->rc != -EACCES;
}

/* Whatever failed in a file's way has failed for it, and for its other names in this flush too. */
static void judge(struct sync *s)
{
    int group = atomic_load(&s->group_failure);
    const struct sync_file *worst = NULL;

    if (group < 0)
        spread_failures(s, "", 0, group);
    for (size_t i = 0; i < s->n_directories; i++) {
        const struct directory *d = &s->directories[i];

        if (d->rc < 0)
            spread_failures(s, d->path, d->len, d->rc);
    }
    for (size_t i = 0; i < s->running.n_files; i++) {
        const struct sync_file *file = &s->running.files[i];

        if (file->rc == 0 || file->rc == -ENOENT)
            continue;
        worst = worst != NULL ? worst : file;
        if (is_doubtful(file) && !is_suspect(s, file))
            suspect(s, file);
    }
    if (worst != NULL)
        log_limited(LOG_LEVEL_ERROR, "cannot make \"%s\" durable: %s", worst->path,
                    strerror(-worst->rc));
    for (size_t i = 0; i < s->running.n_files && (s->n_suspects > 0 || s->distrust); i++) {
        struct sync_file *file = &s->running.files[i];

        if (file->rc == 0 && is_suspect(s, file))
            file->rc = -EIO;
    }
}

/* A disk that fails outweighs a file that is missing. */
static void answer(const struct batch *b, struct sync_request *request)
{
    const struct sync_file *told = NULL;

    for (size_t i = request->first; i < request->first + request->n_paths; i++) {
        const struct sync_file *file = &b->files[i];

        if (file->rc != 0 && (told == NULL || (told->rc == -ENOENT && file->rc != -ENOENT)))
            told = file;
    }
    request->cb(request, told != NULL ? told->rc : 0, told != NULL ? told->path : NULL);
}

static void cancel(struct sync *s)
{
    struct sync_request *request;

    while ((request = STAILQ_FIRST(&s->waiting.requests)) != NULL) {
        STAILQ_REMOVE_HEAD(&s->waiting.requests, link);
        request->cb(request, UV_ECANCELED, NULL);
    }
    uv_close((uv_handle_t *)&s->timer, closed_cb);
}

static void flush_end(struct sync *s)
{
    struct batch done = s->running;
    struct sync_request *request;

    judge(s);
    free(s->directories);
    s->directories = NULL;
    s->n_directories = 0;
    while ((request = STAILQ_FIRST(&done.requests)) != NULL) {
        STAILQ_REMOVE_HEAD(&done.requests, link);
        answer(&done, request);
    }
    batch_deinit(&done);
    s->flushing = false;
    uv_timer_stop(&s->timer);
    if (s->stopping)
        cancel(s);
    else if (s->waiting.n_files > 0)
        flush_begin(s);
}

/* --- Phases ---------------------------------------------------------------------------------- */

static void directories_begin(struct sync *s);

static void moved_cb(void *arg)
{
    struct sync *s = arg;

    atomic_store(&s->moved_at, uv_hrtime());
}

static void work_cb(uv_work_t *work)
{
    struct sync *s = work->data;
    size_t i;

    while ((i = atomic_fetch_add(&s->next_step, 1)) < s->n_steps) {
        s->step(s, i);
        moved_cb(s);
    }
}

static void file_step(struct sync *s, size_t i)
{
    sync_disk_file(s->directory, &s->running.files[i], moved_cb, s);
}

static void group_step(struct sync *s, size_t i)
{
    size_t first = i * SYNC_DISK_GROUP;
    size_t n = s->running.n_files - first;
    int rc = sync_disk_group(s->directory, &s->running.files[first],
                             n < SYNC_DISK_GROUP ? n : SYNC_DISK_GROUP);

    if (rc < 0)
        atomic_store(&s->group_failure, rc);
}

static void directory_step(struct sync *s, size_t i)
{
    struct directory *d = &s->directories[i];

    d->rc = sync_disk_directory(s->directory, d->path, d->len);
}

static void worked_cb(uv_work_t *work, int status)
{
    struct sync *s = work->data;

    assert(status == 0);
    if (--s->working > 0)
        return;
    if (s->step == file_step)
        directories_begin(s);
    else
        flush_end(s);
}

static void phase_begin(struct sync *s, void (*step)(struct sync *, size_t), size_t n_steps)
{
    s->step = step;
    s->n_steps = n_steps;
    atomic_store(&s->next_step, 0);
    s->working = n_steps < WORKERS ? (unsigned)n_steps : WORKERS;
    for (unsigned i = 0; i < s->working; i++) {
        int rc;

        s->works[i].data = s;
        rc = uv_queue_work(s->loop, &s->works[i], work_cb, worked_cb);
        assert(rc == 0);
        (void)rc;
    }
}

static void flush_begin(struct sync *s)
{
    size_t n = s->waiting.n_files;

    s->flushing = true;
    atomic_store(&s->moved_at, uv_hrtime());
    uv_timer_start(&s->timer, timer_cb, s->hang_ms / 16 + 1, s->hang_ms / 16 + 1);
    s->running = s->waiting;
    STAILQ_INIT(&s->running.requests);
    STAILQ_CONCAT(&s->running.requests, &s->waiting.requests);
    memset(&s->waiting, 0, sizeof(s->waiting));
    STAILQ_INIT(&s->waiting.requests);
    atomic_store(&s->group_failure, 0);
    if (s->has_syncfs && sync_disk_prefers_syncfs(n))
        phase_begin(s, group_step, (n + SYNC_DISK_GROUP - 1) / SYNC_DISK_GROUP);
    else
        phase_begin(s, file_step, n);
}

static int compare_directories(const void *a, const void *b)
{
    const struct directory *x = a;
    const struct directory *y = b;

    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return memcmp(x->path, y->path, x->len);
}

/* Counts the directories that lead to a file, and puts them at *to where that is not NULL. */
static size_t collect(const char *path, struct directory *to)
{
    size_t n = 0;

    for (size_t len = 0; path[len] != '\0'; len++) {
        if (len > 0 && path[len] != '/')
            continue;
        if (to != NULL)
            to[n] = (struct directory){.path = path, .len = len};
        n++;
    }
    return n;
}

/* Whether the file is durable only with its directories. */
static bool needs_directories(const struct sync *s, const struct sync_file *file)
{
    return file->rc == 0 && (!s->syncs_names || file->device != s->device);
}

/* Lists each directory once, also the one that all is in: any of them may be new. */
static int list_directories(struct sync *s)
{
    const struct batch *b = &s->running;
    size_t n = 0;
    size_t kept = 0;

    for (size_t i = 0; i < b->n_files; i++)
        n += needs_directories(s, &b->files[i]) ? collect(b->files[i].path, NULL) : 0;
    if (n == 0)
        return 0;
    s->directories = calloc(n, sizeof(*s->directories));
    if (s->directories == NULL)
        return -ENOMEM;
    n = 0;
    for (size_t i = 0; i < b->n_files; i++)
        if (needs_directories(s, &b->files[i]))
            n += collect(b->files[i].path, s->directories + n);
    qsort(s->directories, n, sizeof(*s->directories), compare_directories);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || compare_directories(&s->directories[kept - 1], &s->directories[i]) != 0)
            s->directories[kept++] = s->directories[i];
    }
    s->n_directories = kept;
    return 0;
}

static void directories_begin(struct sync *s)
{
    int rc = list_directories(s);

    if (rc < 0)
        spread_failures(s, "", 0, rc);
    if (s->n_directories > 0)
        phase_begin(s, directory_step, s->n_directories);
    else
        flush_end(s);
}
