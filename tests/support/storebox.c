#include "tests/support/storebox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/base/codec.h"
#include "index/store/gdbm/internal.h"
#include "index/store/gdbm/segment.h"
#include "tests/support/rng.h"

void storebox_init(struct storebox *box, const char *dir, const struct gdbm_engine_options *options)
{
    const char *tmp = getenv("TMPDIR");

    *box = (struct storebox){.temporary = dir == NULL, .options = *options};
    STOREBOX_CHECK(uv_loop_init(&box->loop) == 0, "no loop");
    if (dir != NULL) {
        snprintf(box->dir, sizeof(box->dir), "%s", dir);
        return;
    }
    snprintf(box->dir, sizeof(box->dir), "%s/mkv-test-XXXXXX", tmp != NULL ? tmp : "/tmp");
    STOREBOX_CHECK(mkdtemp(box->dir) != NULL, "%s: %s", box->dir, strerror(errno));
}

void storebox_deinit(struct storebox *box)
{
    int rc;

    storebox_close(box);
    uv_run(&box->loop, UV_RUN_DEFAULT);
    rc = uv_loop_close(&box->loop);
    STOREBOX_CHECK(rc == 0, "%s", uv_strerror(rc));
    if (box->temporary)
        storebox_remove_directory(box->dir);
}

int storebox_open(struct storebox *box)
{
    STOREBOX_CHECK(box->store == NULL, "opened twice");
    return gdbm_engine_open(&box->loop, box->dir, &box->options, &box->store);
}

static void closed_cb(void *arg)
{
    *(bool *)arg = true;
}

void storebox_close(struct storebox *box)
{
    bool closed = false;

    if (box->store == NULL)
        return;
    store_close(box->store, closed_cb, &closed);
    box->store = NULL;
    while (!closed)
        storebox_turn(box);
}

void storebox_turn(struct storebox *box)
{
    STOREBOX_CHECK(uv_loop_alive(&box->loop), "waits for something that nobody does");
    uv_run(&box->loop, UV_RUN_ONCE);
}

/* --- Commits --------------------------------------------------------------------------------- */

struct waited {
    struct store_commit commit;
    bool done;
    int rc;
};

static void waited_cb(struct store_commit *commit, int rc)
{
    struct waited *waited = commit->data;

    waited->done = true;
    waited->rc = rc;
}

int storebox_commit(struct storebox *box, const struct store_change *changes, size_t n)
{
    struct waited waited = {.done = false};
    int rc;

    waited.commit.data = &waited;
    rc = store_commit(box->store, &waited.commit, changes, n, waited_cb);
    if (rc < 0)
        return rc;
    STOREBOX_CHECK(!waited.done, "the callback fired inside store_commit()");
    while (!waited.done)
        storebox_turn(box);
    return waited.rc;
}

int storebox_put(struct storebox *box, const void *key, size_t len, const struct record *record)
{
    struct store_change change = {.space = STORE_KEYS, .key = key, .len = len, .record = record};

    return storebox_commit(box, &change, 1);
}

int storebox_delete(struct storebox *box, const void *key, size_t len)
{
    return storebox_put(box, key, len, NULL);
}

int storebox_put_orphan(struct storebox *box, const void *key, size_t len, uint64_t generation,
                        const struct orphan *orphan)
{
    struct store_change change = {
        .space = STORE_ORPHANS, .key = key, .len = len, .generation = generation, .orphan = orphan};

    return storebox_commit(box, &change, 1);
}

int storebox_delete_orphan(struct storebox *box, const void *key, size_t len, uint64_t generation)
{
    return storebox_put_orphan(box, key, len, generation, NULL);
}

int storebox_checkpoint_wait(struct storebox *box)
{
    struct store_stats stats;

    for (;;) {
        store_stats(box->store, &stats);
        if (!stats.checkpoint_running)
            return stats.checkpoint_error;
        storebox_turn(box);
    }
}

int storebox_checkpoint(struct storebox *box)
{
    storebox_checkpoint_wait(box);
    gdbm_engine_checkpoint(box->store);
    return storebox_checkpoint_wait(box);
}

/* --- Files ----------------------------------------------------------------------------------- */

void storebox_make_scratch(char *path, size_t size, const char *name)
{
    const char *tmp = getenv("TMPDIR");

    if (tmp == NULL)
        tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(path, size, "%s/mkv-%s-XXXXXX", tmp, name);
    STOREBOX_CHECK(mkdtemp(path) != NULL, "%s: %s", path, strerror(errno));
}

static void copy_file(const char *from, const char *to)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct stat st;

    STOREBOX_CHECK(in >= 0 && out >= 0 && fstat(in, &st) == 0, "%s: %s", from, strerror(errno));
    for (off_t left = st.st_size; left > 0;) {
        ssize_t n = sendfile(out, in, NULL, (size_t)left);

        STOREBOX_CHECK(n > 0, "%s: %s", to, strerror(errno));
        left -= n;
    }
    close(in);
    close(out);
}

/* Calls `each` with the path of every file in a directory; `to` is passed on with the same name. */
static void each_file(const char *dir, const char *to, void (*each)(const char *, const char *))
{
    char path[PATH_MAX];
    char other[PATH_MAX];
    struct dirent *entry;
    DIR *files = opendir(dir);

    STOREBOX_CHECK(files != NULL, "%s: %s", dir, strerror(errno));
    while ((entry = readdir(files)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        snprintf(other, sizeof(other), "%s/%s", to, entry->d_name);
        each(path, other);
    }
    closedir(files);
}

void storebox_copy_directory(const char *from, const char *to)
{
    STOREBOX_CHECK(mkdir(to, 0700) == 0, "%s: %s", to, strerror(errno));
    each_file(from, to, copy_file);
}

static void remove_file(const char *path, const char *unused)
{
    (void)unused;
    STOREBOX_CHECK(unlink(path) == 0, "%s: %s", path, strerror(errno));
}

void storebox_remove_directory(const char *dir)
{
    each_file(dir, "", remove_file);
    STOREBOX_CHECK(rmdir(dir) == 0, "%s: %s", dir, strerror(errno));
}

void storebox_overwrite(const char *path, off_t offset, const void *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    STOREBOX_CHECK(fd >= 0 && pwrite(fd, bytes, n, offset) == (ssize_t)n, "%s: %s", path,
                   strerror(errno));
    close(fd);
}

void storebox_truncate(const char *path, off_t size)
{
    STOREBOX_CHECK(truncate(path, size) == 0, "%s: %s", path, strerror(errno));
}

off_t storebox_file_size(const char *path)
{
    struct stat st;

    STOREBOX_CHECK(stat(path, &st) == 0, "%s: %s", path, strerror(errno));
    return st.st_size;
}

off_t storebox_journal_end(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    unsigned char length[4];
    off_t at = SEGMENT_HEAD;

    STOREBOX_CHECK(fd >= 0, "%s: %s", path, strerror(errno));
    while (pread(fd, length, sizeof(length), at) == sizeof(length) && load_u32(length) > 0)
        at += SEGMENT_BLOCK_HEAD + (off_t)load_u32(length);
    close(fd);
    return at;
}

uint64_t storebox_disk_bytes(const char *dir)
{
    struct dirent *entry;
    struct stat st;
    uint64_t bytes = 0;
    DIR *files = opendir(dir);

    STOREBOX_CHECK(files != NULL, "%s: %s", dir, strerror(errno));
    while ((entry = readdir(files)) != NULL)
        if (fstatat(dirfd(files), entry->d_name, &st, 0) == 0 && S_ISREG(st.st_mode))
            bytes += (uint64_t)st.st_blocks * 512;
    closedir(files);
    return bytes;
}

/* --- Pieces of records ----------------------------------------------------------------------- */

struct pieces {
    unsigned char key[INTERNAL_KEY_MAX]; /* of the last record */
    size_t len;
    unsigned next; /* piece that must follow; 0: none */
};

static int pieces_cb(const unsigned char *key, size_t len, const unsigned char *value,
                     size_t value_len, void *arg)
{
    struct pieces *p = arg;
    bool is_piece = key[0] == OP_KEY && memchr(key, '\0', len) != NULL;

    (void)value;
    STOREBOX_CHECK(is_piece == (p->next > 0),
                   "piece %u is missing, or one is left over behind %.*s", p->next, (int)p->len,
                   (const char *)p->key);
    if (is_piece) {
        STOREBOX_CHECK(len == p->len + 2 && memcmp(key, p->key, p->len) == 0 &&
                           key[len - 2] == '\0' && key[len - 1] == p->next,
                       "piece %u of %.*s is another", p->next, (int)p->len, (const char *)p->key);
        p->next = value_len == PAGE_VALUE_MAX ? p->next + 1 : 0;
        return 0;
    }
    memcpy(p->key, key, len);
    p->len = len;
    p->next = key[0] == OP_KEY && value_len == PAGE_VALUE_MAX ? 1 : 0;
    return 0;
}

void storebox_check_pieces(struct store *store)
{
    struct pieces pieces = {.len = 0};

    STOREBOX_CHECK(engine_walk(engine_of(store), "", 0, pieces_cb, &pieces) == 0, "walk");
    STOREBOX_CHECK(pieces.next == 0, "piece %u is missing", pieces.next);
}

void storebox_set_meta(struct record *record, unsigned len, uint64_t seed)
{
    struct rng rng = {.state = seed};

    record->meta_len = len;
    for (unsigned i = 0; i < len; i++)
        record->meta[i] =
            (char)(i % 8 == 0 ? rng_below(&rng, 256) : (unsigned)record->meta[i - 1] + 1);
}

int storebox_compare(const void *a, size_t a_len, const void *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}
