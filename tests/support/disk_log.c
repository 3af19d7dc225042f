/* One lock is held from before to after each call, so that the log has the calls' own order; only
 * a sync is let go in between. */
#include "tests/support/disk_log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/disk_image.h"
#include "tests/support/interpose.h"
#include "tests/support/rng.h"
#include "tests/support/storebox.h"

#define FDS 1024

static struct {
    pthread_mutex_t lock;
    char directory[PATH_MAX];
    char top[PATH_MAX];
    struct rng rng;
    unsigned sync_us; /* that a sync takes at most */
    struct disk_op *ops;
    size_t n;
    size_t room;
    size_t base;
    struct disk_names names;
    unsigned n_files;
    unsigned fds[FDS]; /* the file that each is open on */
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* --- Names ----------------------------------------------------------------------------------- */

static struct disk_name *find_name(const struct disk_names *names, const char *name)
{
    for (unsigned i = 0; i < names->n; i++)
        if (strcmp(names->list[i].name, name) == 0)
            return (struct disk_name *)&names->list[i];
    return NULL;
}

unsigned disk_names_find(const struct disk_names *names, const char *name)
{
    const struct disk_name *found = find_name(names, name);

    return found != NULL ? found->file : DISK_NO_FILE;
}

static void set_name(struct disk_names *names, const char *name, unsigned file)
{
    struct disk_name *entry = find_name(names, name);

    if (entry == NULL) {
        STOREBOX_CHECK(names->n < DISK_NAMES, "too many names in the directory");
        entry = &names->list[names->n++];
        snprintf(entry->name, sizeof(entry->name), "%s", name);
    }
    entry->file = file;
}

static void unset_name(struct disk_names *names, const char *name)
{
    struct disk_name *entry = find_name(names, name);

    if (entry != NULL)
        *entry = names->list[--names->n];
}

/* A rename may be all that is left of what made the old name: it is one of the file. */
void disk_names_apply(struct disk_names *names, const struct disk_op *op)
{
    if (op->kind == DISK_UNNAME)
        unset_name(names, op->name);
    if (op->kind == DISK_RENAME && disk_names_find(names, op->from) == op->file)
        unset_name(names, op->from);
    if (op->kind == DISK_NAME || op->kind == DISK_RENAME)
        set_name(names, op->name, op->file);
}

/* --- Paths ----------------------------------------------------------------------------------- */

/* The name in the directory, or NULL when the path is another one. */
static const char *name_of(const char *path)
{
    size_t n = strlen(disk.directory);

    if (strncmp(path, disk.directory, n) != 0 || path[n] != '/' || path[n + 1] == '.')
        return NULL;
    STOREBOX_CHECK(strchr(path + n + 1, '/') == NULL && strlen(path + n + 1) < DISK_NAME_MAX,
                   "%s: what is this?", path);
    return path + n + 1;
}

static unsigned file_of(const char *path)
{
    size_t n = strlen(disk.directory);
    const char *name = name_of(path);

    if (name != NULL)
        return disk_names_find(&disk.names, name);
    if (strcmp(path, disk.directory) == 0)
        return DISK_DIRECTORY;
    if (strcmp(path, disk.top) == 0 ||
        (strncmp(path, disk.directory, n) == 0 && strcmp(path + n, "/..") == 0))
        return DISK_TOP;
    return DISK_NO_FILE;
}

static unsigned file_of_fd(int fd)
{
    return fd >= 0 && fd < FDS ? disk.fds[fd] : DISK_NO_FILE;
}

/* --- Ops ------------------------------------------------------------------------------------- */

static struct disk_op *add_op(enum disk_op_kind kind, unsigned file)
{
    if (disk.n == disk.room) {
        disk.room = 2 * disk.room + 1024;
        disk.ops = realloc(disk.ops, disk.room * sizeof(*disk.ops));
        STOREBOX_CHECK(disk.ops != NULL, "no memory");
    }
    disk.ops[disk.n] = (struct disk_op){.kind = kind, .file = file};
    return &disk.ops[disk.n++];
}

static void add_name_op(enum disk_op_kind kind, unsigned file, const char *from, const char *name)
{
    struct disk_op *op = add_op(kind, file);

    snprintf(op->name, sizeof(op->name), "%s", name);
    snprintf(op->from, sizeof(op->from), "%s", from);
    disk_names_apply(&disk.names, op);
}

static void add_write(unsigned file, uint64_t at, const struct iovec *iov, int n_iov, size_t n)
{
    struct disk_op *op = add_op(DISK_WRITE, file);

    op->at = at;
    op->bytes = malloc(n + 1);
    STOREBOX_CHECK(op->bytes != NULL, "no memory");
    for (int i = 0; i < n_iov && op->n < n; i++) {
        size_t part = iov[i].iov_len < n - op->n ? iov[i].iov_len : n - op->n;

        memcpy(op->bytes + op->n, iov[i].iov_base, part);
        op->n += part;
    }
}

static unsigned new_file(void)
{
    STOREBOX_CHECK(disk.n_files < DISK_FILES, "too many files");
    return disk.n_files++;
}

/* --- Calls ----------------------------------------------------------------------------------- */

static void sleep_a_moment(void)
{
    struct timespec moment = {.tv_nsec = 0};

    if (disk.sync_us > 0 && rng_one_in(&disk.rng, 2))
        moment.tv_nsec = 1000L * rng_below(&disk.rng, disk.sync_us);
    pthread_mutex_unlock(&disk.lock);
    if (moment.tv_nsec > 0)
        nanosleep(&moment, NULL);
    pthread_mutex_lock(&disk.lock);
}

static void before_cb(struct interpose_event *e)
{
    pthread_mutex_lock(&disk.lock);
    e->mark = disk.n;
    if (e->call == INTERPOSE_SYNC && file_of_fd(e->fd) != DISK_NO_FILE)
        sleep_a_moment();
}

static void opened(const struct interpose_event *e)
{
    const char *name = name_of(e->path);
    unsigned file = file_of(e->path);

    STOREBOX_CHECK(e->result < FDS, "too many open files");
    STOREBOX_CHECK(name == NULL || !(e->flags & O_APPEND), "%s: can't follow O_APPEND", e->path);
    if (name != NULL && file == DISK_NO_FILE) {
        file = new_file();
        add_name_op(DISK_NAME, file, "", name);
    } else if (name != NULL && e->flags & O_TRUNC) {
        add_op(DISK_RESIZE, file);
    }
    disk.fds[e->result] = file;
}

static void synced(const struct interpose_event *e, unsigned file)
{
    add_op(e->error == 0 ? DISK_SYNC : DISK_SYNC_FAILED, file)->at = e->mark;
}

static void fd_call(const struct interpose_event *e)
{
    unsigned file = file_of_fd(e->fd);

    if (file == DISK_NO_FILE)
        return;
    if (e->call == INTERPOSE_SYNC)
        synced(e, file);
    if (e->error != 0)
        return;
    if (e->call == INTERPOSE_CLOSE)
        disk.fds[e->fd] = DISK_NO_FILE;
    else if (e->call == INTERPOSE_WRITE)
        add_write(file, (uint64_t)e->offset, e->iov, e->n_iov, (size_t)e->result);
    else if (e->call == INTERPOSE_RESIZE)
        add_op(DISK_RESIZE, file)->at = (uint64_t)e->offset;
    else if (e->call == INTERPOSE_MAP)
        STOREBOX_CHECK(!(e->flags & PROT_WRITE), "a file is mapped to be written, unseen");
}

static void name_call(const struct interpose_event *e)
{
    const char *name = name_of(e->to != NULL ? e->to : e->path);
    unsigned file = file_of(e->path);

    if (e->call == INTERPOSE_MKDIR && file == DISK_DIRECTORY)
        add_op(DISK_MKDIR, DISK_DIRECTORY);
    if (name == NULL)
        return;
    STOREBOX_CHECK(file >= DISK_FIRST_FILE, "%s is no file of the directory", e->path);
    if (e->call == INTERPOSE_LINK)
        add_name_op(DISK_NAME, file, "", name);
    else if (e->call == INTERPOSE_RENAME)
        add_name_op(DISK_RENAME, file, name_of(e->path), name);
    else if (e->call == INTERPOSE_UNLINK)
        add_name_op(DISK_UNNAME, file, "", name);
}

static void after_cb(const struct interpose_event *e)
{
    if (e->path == NULL)
        fd_call(e);
    else if (e->error == 0 && e->call == INTERPOSE_OPEN)
        opened(e);
    else if (e->error == 0)
        name_call(e);
    pthread_mutex_unlock(&disk.lock);
}

static const struct interpose_watch watch = {.before = before_cb, .after = after_cb};

/* --- Start and end --------------------------------------------------------------------------- */

/* Adds a file that is there; `inodes` are those of the files added before it, by number. */
static void add_base_file(const char *name, ino_t *inodes)
{
    char path[PATH_MAX + DISK_NAME_MAX];
    struct iovec iov;
    unsigned file;
    struct stat st;
    int fd;

    snprintf(path, sizeof(path), "%s/%s", disk.directory, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    STOREBOX_CHECK(fd >= 0 && fstat(fd, &st) == 0, "%s: %s", path, strerror(errno));
    for (file = DISK_FIRST_FILE; file < disk.n_files && inodes[file] != st.st_ino;)
        file++;
    if (file == disk.n_files) {
        iov = (struct iovec){.iov_base = malloc((size_t)st.st_size + 1),
                             .iov_len = (size_t)st.st_size};
        STOREBOX_CHECK(iov.iov_base != NULL && read(fd, iov.iov_base, iov.iov_len) == st.st_size,
                       "%s: %s", path, strerror(errno));
        inodes[new_file()] = st.st_ino;
        add_write(file, 0, &iov, 1, iov.iov_len);
        free(iov.iov_base);
        add_op(DISK_SYNC, file)->at = disk.n;
    }
    close(fd);
    add_name_op(DISK_NAME, file, "", name);
}

static void add_base(void)
{
    static ino_t inodes[DISK_FILES];
    DIR *dir = opendir(disk.directory);
    struct dirent *entry;

    if (dir == NULL) {
        STOREBOX_CHECK(errno == ENOENT, "%s: %s", disk.directory, strerror(errno));
        return;
    }
    add_op(DISK_MKDIR, DISK_DIRECTORY);
    add_op(DISK_SYNC, DISK_TOP)->at = disk.n;
    while ((entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            add_base_file(entry->d_name, inodes);
    closedir(dir);
    add_op(DISK_SYNC, DISK_DIRECTORY)->at = disk.n;
}

void disk_log_start(const char *directory, unsigned sync_us, uint64_t seed)
{
    STOREBOX_CHECK(disk.n == 0 && directory[0] == '/' && strrchr(directory, '/') != directory,
                   "%s: not now, or not here", directory);
    snprintf(disk.directory, sizeof(disk.directory), "%s", directory);
    snprintf(disk.top, sizeof(disk.top), "%.*s", (int)(strrchr(directory, '/') - directory),
             directory);
    disk.rng.state = seed;
    disk.sync_us = sync_us;
    disk.n_files = DISK_FIRST_FILE;
    disk.names.n = 0;
    memset(disk.fds, 0, sizeof(disk.fds));
    add_base();
    disk.base = disk.n;
    interpose_set_watch(&watch);
}

static void free_ops(size_t from)
{
    while (disk.n > from)
        free(disk.ops[--disk.n].bytes);
}

void disk_log_stop(void)
{
    interpose_set_watch(NULL);
    free_ops(0);
    free(disk.ops);
    disk.ops = NULL;
    disk.room = 0;
}

size_t disk_log_length(void)
{
    size_t n;

    pthread_mutex_lock(&disk.lock);
    n = disk.n;
    pthread_mutex_unlock(&disk.lock);
    return n;
}

size_t disk_log_base(void)
{
    return disk.base;
}

const struct disk_op *disk_log_ops(void)
{
    return disk.ops;
}

void disk_log_cut(size_t length)
{
    const struct disk_cut everything = {.at = length, .keep_all = true};

    STOREBOX_CHECK(length >= disk.base && length <= disk.n, "cut where nothing was recorded");
    interpose_set_watch(NULL);
    if (access(disk.directory, F_OK) == 0)
        storebox_remove_directory(disk.directory);
    disk_image_write(&everything, disk.directory);
    free_ops(length);
    disk.names.n = 0;
    for (size_t i = 0; i < disk.n; i++)
        disk_names_apply(&disk.names, &disk.ops[i]);
    interpose_set_watch(&watch);
}

void disk_log_verify(void)
{
    const struct disk_cut everything = {.at = disk.n, .keep_all = true};

    interpose_set_watch(NULL);
    disk_image_compare(&everything, disk.directory);
    interpose_set_watch(&watch);
}
