/* What a sync request may name, and how requests share flushes. fsync(2), syncfs(2) and the choice
 * between them are the test's own, so that it can count them, hold them up and let them fail. */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "index/base/log.h"
#include "launcher/nginx/files.h"
#include "launcher/volume/sync.h"
#include "launcher/volume/sync_disk.h"
#include "launcher/volume/sync_path.h"

#define DEADLINE 10000 /* milliseconds that any one wait may take */
#define HANG_MS  1000

/* --- The disk -------------------------------------------------------------------------------- */

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool held;        /* fsync(2) and syncfs(2) don't return */
    bool syncs_names; /* what sync_disk_syncs_names() says */
    bool syncfs;      /* what sync_disk_prefers_syncfs() says */
    int failure;      /* errno of the next fsync(2) of the kind below, once; or of syncfs(2) */
    bool of_folders;  /* that kind */
    int late_failure; /* errno of the next call that was held up, once */
    unsigned files;
    unsigned folders;
    unsigned systems;
    unsigned pieces;
    unsigned piece_ms; /* that each takes */
    int openat2;       /* the errno of each openat2(2), or 0 ... */
    bool of_opens;     /* ... or only of those that open a directory */
    int fsetxattr;     /* of each fsetxattr(2), or 0 */
} disk = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

int __wrap_fsync(int fd);
int __wrap_syncfs(int fd);
bool __wrap_sync_disk_prefers_syncfs(size_t n);
bool __wrap_sync_disk_syncs_names(int directory);

bool __wrap_sync_disk_syncs_names(int directory)
{
    (void)directory;
    return disk.syncs_names;
}

bool __wrap_sync_disk_prefers_syncfs(size_t n)
{
    (void)n;
    return disk.syncfs;
}

static int touch_disk(unsigned *counter, bool fails)
{
    int failure = 0;

    pthread_mutex_lock(&disk.mutex);
    ++*counter;
    if (fails) {
        failure = disk.failure;
        disk.failure = 0;
    }
    while (disk.held)
        pthread_cond_wait(&disk.changed, &disk.mutex);
    if (failure == 0) {
        failure = disk.late_failure;
        disk.late_failure = 0;
    }
    pthread_mutex_unlock(&disk.mutex);
    errno = failure;
    return failure == 0 ? 0 : -1;
}

int __wrap_fsync(int fd)
{
    struct stat st;

    assert_int_equal(fstat(fd, &st), 0);
    if (S_ISDIR(st.st_mode))
        return touch_disk(&disk.folders, disk.of_folders);
    return touch_disk(&disk.files, !disk.of_folders);
}

/* Slow, and of the file's only failure where one is due. */
int __wrap_sync_file_range(int fd, off_t at, off_t n, unsigned flags);

int __wrap_sync_file_range(int fd, off_t at, off_t n, unsigned flags)
{
    (void)fd;
    (void)at;
    (void)n;
    (void)flags;
    usleep(disk.piece_ms * 1000);
    return touch_disk(&disk.pieces, true);
}

int __wrap_syncfs(int fd)
{
    (void)fd;
    return touch_disk(&disk.systems, true);
}

int __wrap_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags);
int __real_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags);

int __wrap_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
    if (disk.fsetxattr == 0)
        return __real_fsetxattr(fd, name, value, size, flags);
    errno = disk.fsetxattr;
    return -1;
}

/* openat2(2) is the only one that is called so. */
long __wrap_syscall(long number, int at, const char *path, struct open_how *how, size_t size);
long __real_syscall(long number, ...);

long __wrap_syscall(long number, int at, const char *path, struct open_how *how, size_t size)
{
    assert_int_equal(number, SYS_openat2);
    if (disk.openat2 == 0 || (disk.of_opens && (how->flags & O_DIRECTORY) == 0))
        return __real_syscall(number, at, path, how, size);
    errno = disk.openat2;
    return -1;
}

static void hold(bool held)
{
    pthread_mutex_lock(&disk.mutex);
    disk.held = held;
    pthread_cond_broadcast(&disk.changed);
    pthread_mutex_unlock(&disk.mutex);
}

static unsigned read_counter(const unsigned *counter)
{
    unsigned n;

    pthread_mutex_lock(&disk.mutex);
    n = *counter;
    pthread_mutex_unlock(&disk.mutex);
    return n;
}

/* --- Fixture --------------------------------------------------------------------------------- */

struct fixture {
    char root[32];
    int directory;
    uv_loop_t loop;
    uv_timer_t deadline;
    struct sync *sync;
    unsigned done;
    bool late;
    bool stopped;
};

/* A request, and what became of it. */
struct ask {
    struct sync_request request; /* first */
    struct fixture *f;
    bool done;
    int status;
    char path[64];
};

static void make_file(struct fixture *f, const char *path)
{
    char name[128];
    char *slash;

    snprintf(name, sizeof(name), "%s/%s", f->root, path);
    slash = strrchr(name, '/');
    *slash = '\0';
    assert_int_equal(files_make_directories(name, 0755), 0);
    *slash = '/';
    close(open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
}

static int setup_with(void **state, bool syncs_names)
{
    struct fixture *f = calloc(1, sizeof(*f));

    strcpy(f->root, "/tmp/mkv-test-XXXXXX");
    assert_non_null(mkdtemp(f->root));
    f->directory = open(f->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    log_open("/dev/null");
    uv_loop_init(&f->loop);
    uv_timer_init(&f->loop, &f->deadline);
    f->deadline.data = f;
    disk.held = disk.syncfs = disk.of_folders = disk.of_opens = false;
    disk.syncs_names = syncs_names;
    disk.failure = disk.openat2 = disk.fsetxattr = 0;
    disk.piece_ms = 0;
    make_file(f, "aa/bb/YQ==");
    make_file(f, "aa/bb/Yg==");
    make_file(f, "aa/cc/Yw==");
    make_file(f, "sv01/aa/bb/YQ==");
    disk.files = disk.folders = disk.systems = disk.pieces = 0;
    *state = f;
    return sync_new(&f->loop, f->directory, HANG_MS, &f->sync);
}

static int setup(void **state)
{
    return setup_with(state, false);
}

static int setup_where_names_follow(void **state)
{
    return setup_with(state, true);
}

static void stopped_cb(void *arg)
{
    struct fixture *f = arg;

    f->stopped = true;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    hold(false);
    if (f->sync != NULL)
        sync_stop(f->sync, stopped_cb, f);
    uv_close((uv_handle_t *)&f->deadline, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_true(f->stopped);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    assert_int_equal(files_clear_directory(f->directory), 0);
    close(f->directory);
    rmdir(f->root);
    free(f);
    return 0;
}

static void asked_cb(struct sync_request *request, int status, const char *path)
{
    struct ask *ask = (struct ask *)request;

    assert_false(ask->done);
    ask->done = true;
    ask->status = status;
    snprintf(ask->path, sizeof(ask->path), "%s", path != NULL ? path : "");
    ask->f->done++;
}

/* `paths` are `n` literals joined by "\0". */
static void submit(struct fixture *f, struct ask *ask, const char *paths, size_t n)
{
    size_t size = 0;
    char *copy;

    for (size_t i = 0; i < n; i++)
        size += strlen(paths + size) + 1;
    copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, paths, size);
    *ask = (struct ask){.request = {.paths = copy, .n_paths = n, .cb = asked_cb}, .f = f};
    assert_int_equal(sync_submit(f->sync, &ask->request), 0);
    assert_false(ask->done);
}

static void deadline_cb(uv_timer_t *timer)
{
    ((struct fixture *)timer->data)->late = true;
}

/* Waits until `done` requests have been answered. */
static void await(struct fixture *f, unsigned done)
{
    uv_timer_start(&f->deadline, deadline_cb, DEADLINE, 0);
    while (f->done < done && !f->late)
        uv_run(&f->loop, UV_RUN_ONCE);
    uv_timer_stop(&f->deadline);
    assert_false(f->late);
    assert_int_equal(f->done, done);
}

static void await_counter(struct fixture *f, const unsigned *counter)
{
    uv_timer_start(&f->deadline, deadline_cb, DEADLINE, 0);
    while (read_counter(counter) == 0 && !f->late)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    uv_timer_stop(&f->deadline);
    assert_false(f->late);
}

static int sync_one(struct fixture *f, const char *path)
{
    struct ask ask;

    submit(f, &ask, path, 1);
    await(f, f->done + 1);
    return ask.status;
}

/* --- Paths ----------------------------------------------------------------------------------- */

static void test_path_is_valid_for_what_placement_makes(void **state)
{
    char key[KEY_MAX];
    char path[SYNC_PATH_MAX];

    (void)state;
    srand(1);
    for (int i = 0; i < 20000; i++) {
        size_t len = 1 + (size_t)(rand() % KEY_MAX);
        int kind = rand() % 4;

        /* Few different bytes give many slashes in a row; 0xff gives nothing else. */
        for (size_t j = 0; j < len; j++)
            key[j] = (char)(kind == 0 ? 0xff : kind == 1 ? rand() % 2 * 0xff : rand());
        strcpy(path, "/sv0F");
        len = placement_path(key, len, (uint64_t)rand() * (i % 2 == 0), path + 5);
        if (!sync_path_is_valid(path + 5, len) || !sync_path_is_valid(path, len + 5))
            fail_msg("refused: %s", path);
    }
}

static void test_path_is_valid_refuses_others(void **state)
{
    static const char *const bad[] = {
        "",
        "/",
        "//",
        "aa/bb/YQ==",
        "/aa/bb",
        "/aa/bb/",
        "/aa/bb//YQ==",
        "/aa/bb/YQ==/",
        "/AA/bb/YQ==",
        "/aa/b/YQ==",
        "/aa/bbb/YQ==",
        "/ag/bb/YQ==",
        "/aa/bb/..",
        "/aa/bb/.",
        "/aa/bb/../../id",
        "/aa/../.mkv/id",
        "/.mkv/id",
        "/.mkv/tmp/0000000001",
        "/aa/bb/.hidden",
        "/aa/bb/YQ.=",
        "/aa/bb/YQ==x",
        "/aa/bb/YQ===",
        "/aa/bb/YQ=/YQ",
        "/aa/bb/YQ%3D",
        "/aa/bb/YQ==\r",
        "/aa/bb/Y Q",
        "/aa/bb/-",
        "/aa/bb/-0",
        "/aa/bb/-1x",
        "/aa/bb/-12345",
        "/aa/bb/a-1",
        "/aa/bb/YQ==.019aa724d47b000",
        "/aa/bb/YQ==.019aa724d47b00010",
        "/aa/bb/YQ==.019AA724D47B0001",
        "/aa/bb/YQ==..019aa724d47b0001",
        "/aa/bb/YQ==.019aa724d47b0001.019aa724d47b0001",
        "/aa/bb/.019aa724d47b0001",
        "/aa/bb/YQ.019aa724d47b0001=",
        "/aa/bb/YQ==.019aa724d47b0001/YQ",
        "/aa/bb/-0.019aa724d47b0001",
        "/sv0f/aa/bb/YQ==",
        "/sv/aa/bb/YQ==",
        "/sv001/aa/bb/YQ==",
        "/sv01/sv01/aa/bb/YQ==",
        "/sv01",
        "/sv0",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (sync_path_is_valid(bad[i], strlen(bad[i])))
            fail_msg("taken: %s", bad[i]);
    }
    assert_false(sync_path_is_valid("/aa/bb/YQ\0=", 11));
}

static void test_path_is_valid_up_to_its_longest(void **state)
{
    char path[SYNC_PATH_MAX + 1];

    (void)state;
    strcpy(path, "/aa/bb/");
    memset(path + 7, 'x', 255);
    assert_false(sync_path_is_valid(path, 7 + 255));
    assert_true(sync_path_is_valid(path, 7 + 254));
    memcpy(path + 7 + 239, ".019aa724d47b0001", 17);
    assert_false(sync_path_is_valid(path, 7 + 239 + 17));
    memcpy(path + 7 + 238, ".019aa724d47b0001x", 18);
    assert_true(sync_path_is_valid(path, 7 + 238 + 17));
    memset(path + 7, 'x', 255);
    memcpy(path + 7 + 254, "./x", 3);
    assert_true(sync_path_is_valid(path, 7 + 254 + 3));
    assert_false(sync_path_is_valid(path, 7 + 254 + 1));
    memset(path + 7, 'x', sizeof(path) - 7);
    assert_false(sync_path_is_valid(path, sizeof(path)));
}

/* --- Flushes --------------------------------------------------------------------------------- */

static void test_sync_a_file_and_all_its_directories(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(sync_one(f, "sv01/aa/bb/YQ=="), 0);
    assert_int_equal(disk.files, 1);
    assert_int_equal(disk.folders, 4);
    assert_int_equal(disk.systems, 0);
}

static void test_sync_a_file_whose_name_follows(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(sync_one(f, "sv01/aa/bb/YQ=="), 0);
    assert_int_equal(disk.files, 1);
    assert_int_equal(disk.folders, 0);
    assert_int_equal(sync_one(f, "aa/bb/missing"), -ENOENT);
}

static void test_sync_shares_flushes_and_directories(void **state)
{
    struct fixture *f = *state;
    struct ask first;
    struct ask asks[20];

    hold(true);
    submit(f, &first, "aa/bb/YQ==", 1);
    await_counter(f, &disk.files);
    for (size_t i = 0; i < COUNT_OF(asks); i++)
        submit(f, &asks[i], i % 2 == 0 ? "aa/bb/YQ==\0aa/cc/Yw==" : "aa/bb/Yg==", 2 - i % 2);
    hold(false);
    await(f, 1 + COUNT_OF(asks));
    for (size_t i = 0; i < COUNT_OF(asks); i++)
        assert_int_equal(asks[i].status, 0);
    /* Once "", aa, aa/bb, and once these and aa/cc. */
    assert_int_equal(disk.folders, 3 + 4);
    assert_int_equal(disk.files, 1 + 30);
}

static void test_sync_by_syncfs(void **state)
{
    struct fixture *f = *state;
    struct ask ask;

    disk.syncfs = true;
    submit(f, &ask, "aa/bb/YQ==\0aa/cc/Yw==\0sv01/aa/bb/YQ==", 3);
    await(f, 1);
    assert_int_equal(ask.status, 0);
    assert_int_equal(disk.systems, sync_disk_has_syncfs(f->directory) ? 1 : 0);
    assert_int_equal(disk.files, sync_disk_has_syncfs(f->directory) ? 0 : 3);
}

static void test_sync_what_is_no_file(void **state)
{
    struct fixture *f = *state;
    struct ask asks[2];

    for (int i = 0; i < 4; i++) {
        disk.syncfs = i % 2 == 1;
        disk.openat2 = i == 2 ? ENOSYS : i == 3 ? EPERM : 0;
        submit(f, &asks[0], "aa/bb/YQ==\0aa/bb/bm9uZQ==\0aa/bb/also", 3);
        submit(f, &asks[1], "aa/bb/YQ==", 1);
        await(f, f->done + 2);
        assert_int_equal(asks[0].status, -ENOENT);
        assert_string_equal(asks[0].path, "aa/bb/bm9uZQ==");
        assert_int_equal(asks[1].status, 0);
        assert_int_equal(symlinkat("YQ==", f->directory, "aa/bb/link"), 0);
        assert_int_equal(symlinkat("aa", f->directory, "dd"), 0);
        assert_int_equal(mkfifoat(f->directory, "aa/bb/fifo", 0644), 0);
        assert_int_equal(sync_one(f, "aa/bb/link"), -ENOENT);
        assert_int_equal(sync_one(f, "dd/bb/YQ=="), -ENOENT);
        assert_int_equal(sync_one(f, "aa/bb/fifo"), -ENOENT);
        assert_int_equal(sync_one(f, "aa/bb"), -ENOENT);
        assert_int_equal(sync_one(f, "aa/bb/YQ==/YQ=="), -ENOENT);
        unlinkat(f->directory, "aa/bb/link", 0);
        unlinkat(f->directory, "aa/bb/fifo", 0);
        unlinkat(f->directory, "dd", 0);
    }
}

static void test_sync_failure_is_told_to_all_and_lasts(void **state)
{
    struct fixture *f = *state;
    struct ask asks[3];

    hold(true);
    submit(f, &asks[0], "aa/cc/Yw==", 1);
    await_counter(f, &disk.files);
    submit(f, &asks[1], "aa/bb/YQ==", 1);
    submit(f, &asks[2], "aa/bb/none\0aa/bb/YQ==", 2);
    pthread_mutex_lock(&disk.mutex);
    disk.failure = EIO; /* the held one has taken none */
    pthread_mutex_unlock(&disk.mutex);
    hold(false);
    await(f, 3);
    assert_int_equal(asks[0].status, 0);
    assert_int_equal(asks[1].status, -EIO);
    assert_int_equal(asks[2].status, -EIO);
    assert_string_equal(asks[2].path, "aa/bb/YQ==");
    /* The kernel would say that it is fine now. */
    assert_int_equal(sync_one(f, "aa/bb/YQ=="), -EIO);
    assert_int_equal(sync_one(f, "aa/bb/Yg=="), 0);
    make_file(f, "aa/bb/new");
    assert_int_equal(renameat(f->directory, "aa/bb/new", f->directory, "aa/bb/YQ=="), 0);
    assert_int_equal(sync_one(f, "aa/bb/YQ=="), 0);
}

static void test_sync_failure_of_a_directory(void **state)
{
    struct fixture *f = *state;
    struct ask asks[2];

    disk.of_folders = true;
    disk.failure = ENOSPC; /* of whichever comes first: all lie above both files, or above one */
    submit(f, &asks[0], "aa/bb/YQ==", 1);
    await(f, 1);
    assert_int_equal(asks[0].status, -ENOSPC);
    assert_int_equal(sync_one(f, "aa/bb/YQ=="), -EIO);
    assert_int_equal(sync_one(f, "aa/cc/Yw=="), 0);
}

/* What we are short of says nothing of the file; but where it is what writes back, the file's data
 * may be lost. */
static void test_sync_when_we_are_short(void **state)
{
    static const int errors[] = {EMFILE, ENFILE, ENOMEM};
    struct fixture *f = *state;

    disk.of_opens = true;
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        disk.openat2 = errors[i];
        assert_int_equal(sync_one(f, "aa/bb/YQ=="), -errors[i]);
        disk.openat2 = 0;
        assert_int_equal(sync_one(f, "aa/bb/YQ=="), 0);
    }
    disk.failure = ENOMEM;
    assert_int_equal(sync_one(f, "aa/bb/YQ=="), -EIO);
    assert_int_equal(sync_one(f, "aa/bb/YQ=="), -EIO);
}

static void test_sync_failure_of_syncfs(void **state)
{
    struct fixture *f = *state;
    struct ask asks[2];

    if (!sync_disk_has_syncfs(f->directory))
        skip();
    disk.syncfs = true;
    disk.failure = EIO;
    submit(f, &asks[0], "aa/bb/YQ==\0aa/bb/Yg==", 2);
    await(f, 1);
    assert_int_equal(asks[0].status, -EIO);
    submit(f, &asks[1], "aa/cc/Yw==\0aa/bb/Yg==", 2);
    await(f, 2);
    assert_int_equal(asks[1].status, -EIO);
    assert_string_equal(asks[1].path, "aa/bb/Yg==");
}

/* A disk that hangs: each is told in time, and none that its files are durable. */
static void test_sync_of_a_disk_that_hangs(void **state)
{
    struct fixture *f = *state;
    struct sync_request late = {.n_paths = 1, .cb = asked_cb};
    struct ask asks[3];

    hold(true);
    submit(f, &asks[0], "aa/bb/YQ==", 1);
    await_counter(f, &disk.files);
    submit(f, &asks[1], "aa/bb/Yg==", 1);
    await(f, 2);
    assert_int_equal(asks[0].status, UV_ETIMEDOUT);
    assert_int_equal(asks[1].status, UV_ETIMEDOUT);
    assert_true(sync_stuck_ms(f->sync) >= HANG_MS);
    assert_int_equal(sync_submit(f->sync, &late), UV_ETIMEDOUT);
    /* It comes back with a failure, of the file that nobody asks for any more. */
    pthread_mutex_lock(&disk.mutex);
    disk.late_failure = EIO;
    pthread_mutex_unlock(&disk.mutex);
    hold(false);
    await_counter(f, &disk.folders); /* of the second flush */
    assert_int_equal(sync_one(f, "aa/bb/YQ=="), -EIO);
    assert_int_equal(sync_one(f, "aa/bb/Yg=="), 0);
    assert_int_equal(sync_stuck_ms(f->sync), 0);
}

/* A huge file on a slow disk takes longer than a disk may hang, but it gets on. */
static void test_sync_of_a_huge_file(void **state)
{
    struct fixture *f = *state;
    int fd = openat(f->directory, "aa/bb/YQ==", O_WRONLY | O_CLOEXEC);
    struct ask ask;

    assert_int_equal(ftruncate(fd, 5 * (32LL << 20)), 0);
    close(fd);
    disk.piece_ms = 200;
    submit(f, &ask, "aa/bb/YQ==", 1);
    await(f, 1);
    assert_int_equal(ask.status, 0);
    disk.piece_ms = 0;
    disk.failure = EIO; /* of the first piece, which no fsync(2) will tell */
    assert_int_equal(sync_one(f, "aa/bb/YQ=="), -EIO);
    assert_int_equal(sync_one(f, "aa/bb/YQ=="), -EIO);
}

static void test_sync_stop_ends_the_flush_and_cancels_the_rest(void **state)
{
    struct fixture *f = *state;
    struct ask asks[2];

    hold(true);
    submit(f, &asks[0], "aa/bb/YQ==", 1);
    await_counter(f, &disk.files);
    submit(f, &asks[1], "aa/bb/Yg==", 1);
    sync_stop(f->sync, stopped_cb, f);
    f->sync = NULL;
    assert_int_equal(f->done, 0);
    hold(false);
    await(f, 2);
    assert_int_equal(asks[0].status, 0);
    assert_int_equal(asks[1].status, UV_ECANCELED);
}

/* --- Attributes ------------------------------------------------------------------------------ */

static void submit_with_attribute(struct fixture *f, struct ask *ask, const char *path,
                                  const char *bytes)
{
    struct {
        char path[64];
        struct attribute attribute;
    } *copy = calloc(1, sizeof(*copy));

    assert_non_null(copy);
    strcpy(copy->path, path);
    copy->attribute.bytes = (const unsigned char *)bytes;
    copy->attribute.len = bytes != NULL ? strlen(bytes) : 0;
    *ask = (struct ask){
        .request = {.paths = copy->path,
                    .n_paths = 1,
                    .attributes = &copy->attribute,
                    .cb = asked_cb},
        .f = f,
    };
    assert_int_equal(sync_submit(f->sync, &ask->request), 0);
}

static int sync_with_attribute(struct fixture *f, const char *path, const char *bytes)
{
    struct ask ask;

    submit_with_attribute(f, &ask, path, bytes);
    await(f, f->done + 1);
    return ask.status;
}

static bool has_attribute(struct fixture *f, const char *path, const char *bytes)
{
    char name[128];
    char value[64];
    ssize_t n;

    snprintf(name, sizeof(name), "%s/%s", f->root, path);
    n = getxattr(name, ATTRIBUTE_NAME, value, sizeof(value));
    return n == (ssize_t)strlen(bytes) && memcmp(value, bytes, (size_t)n) == 0;
}

static void test_sync_sets_an_attribute_before_the_flush(void **state)
{
    struct fixture *f = *state;
    struct ask ask;

    hold(true);
    submit_with_attribute(f, &ask, "aa/bb/YQ==", "about a");
    await_counter(f, &disk.files);
    assert_true(has_attribute(f, "aa/bb/YQ==", "about a"));
    hold(false);
    await(f, 1);
    assert_int_equal(ask.status, 0);
    disk.syncfs = true;
    assert_int_equal(sync_with_attribute(f, "aa/bb/YQ==", "more about a"), 0);
    assert_true(has_attribute(f, "aa/bb/YQ==", "more about a"));
    assert_int_equal(sync_with_attribute(f, "aa/bb/YQ==", NULL), 0);
    assert_true(has_attribute(f, "aa/bb/YQ==", "more about a"));
    assert_int_equal(sync_with_attribute(f, "aa/bb/none", "x"), -ENOENT);
}

/* No room for it, or no attributes at all, is no failure; what the disk says else is one, but the
 * data is not in doubt. */
static void test_sync_attribute_that_cannot_be_set(void **state)
{
    static const int refusals[] = {ENOTSUP, ENOSPC, EDQUOT, E2BIG, ERANGE};
    struct fixture *f = *state;

    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        disk.fsetxattr = refusals[i];
        assert_int_equal(sync_with_attribute(f, "aa/bb/YQ==", "about a"), 0);
    }
    assert_int_equal(disk.files, COUNT_OF(refusals));
    disk.fsetxattr = EIO;
    assert_int_equal(sync_with_attribute(f, "aa/bb/YQ==", "about a"), -EIO);
    disk.fsetxattr = 0;
    assert_int_equal(sync_with_attribute(f, "aa/bb/YQ==", "about a"), 0);
    disk.fsetxattr = EIO; /* it is there already */
    assert_int_equal(sync_with_attribute(f, "aa/bb/YQ==", "about a"), 0);
}

/* It changes the file's st_ctime, but not its data. */
static void test_sync_failed_file_stays_failed_with_another_attribute(void **state)
{
    struct fixture *f = *state;
    struct statx st;

    if (statx(f->directory, "aa/bb/YQ==", 0, STATX_BTIME, &st) < 0 ||
        (st.stx_mask & STATX_BTIME) == 0)
        skip();
    disk.failure = EIO;
    assert_int_equal(sync_with_attribute(f, "aa/bb/YQ==", "about a"), -EIO);
    assert_int_equal(sync_with_attribute(f, "aa/bb/YQ==", "about a"), -EIO);
    assert_int_equal(sync_with_attribute(f, "aa/bb/YQ==", "about another"), -EIO);
    assert_int_equal(sync_one(f, "aa/bb/YQ=="), -EIO);
    assert_int_equal(unlinkat(f->directory, "aa/bb/YQ==", 0), 0);
    make_file(f, "aa/bb/YQ==");
    assert_int_equal(sync_with_attribute(f, "aa/bb/YQ==", "about another"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_sync_sets_an_attribute_before_the_flush),
        TEST(test_sync_attribute_that_cannot_be_set),
        TEST(test_sync_failed_file_stays_failed_with_another_attribute),
        cmocka_unit_test(test_path_is_valid_for_what_placement_makes),
        cmocka_unit_test(test_path_is_valid_refuses_others),
        cmocka_unit_test(test_path_is_valid_up_to_its_longest),
        TEST(test_sync_a_file_and_all_its_directories),
        cmocka_unit_test_setup_teardown(test_sync_a_file_whose_name_follows,
                                        setup_where_names_follow, teardown),
        TEST(test_sync_shares_flushes_and_directories),
        TEST(test_sync_by_syncfs),
        TEST(test_sync_what_is_no_file),
        TEST(test_sync_failure_is_told_to_all_and_lasts),
        TEST(test_sync_failure_of_a_directory),
        TEST(test_sync_when_we_are_short),
        TEST(test_sync_failure_of_syncfs),
        TEST(test_sync_of_a_disk_that_hangs),
        TEST(test_sync_of_a_huge_file),
        TEST(test_sync_stop_ends_the_flush_and_cancels_the_rest),
    };

    return cmocka_run_group_tests_name("sync", tests, NULL, NULL);
}
