#include "launcher/volume/assembly.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/volume/sync_disk.h"
#include "launcher/volume/sync_path.h"

#define SLICE      (8UL << 20)   /* bytes that a step copies; a multiple of all sizes of blocks */
#define READ_SLICE (256UL << 10) /* and reads */
#define NAME_FORM  "assemble.%u"

/* --- Sources --------------------------------------------------------------------------------- */

/* A descriptor; or -ENOENT when there is no plain file, -EMEDIUMTYPE for another size, or -errno.
 */
static int open_source(const struct assembly *a)
{
    const struct assembly_source *source = &a->lines->sources[a->at];
    int fd = sync_disk_open(a->dir->fd, source->path, 0);
    struct stat st;
    int rc = 0;

    if (fd < 0)
        return fd == -ENOTDIR || fd == -ELOOP ? -ENOENT : fd;
    if (fstat(fd, &st) < 0)
        rc = -errno;
    else if (!S_ISREG(st.st_mode))
        rc = -ENOENT;
    else if ((uint64_t)st.st_size != source->size)
        rc = -EMEDIUMTYPE;
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}

static int check_source(struct assembly *a)
{
    int fd = open_source(a);

    if (fd >= 0)
        close(fd);
    else if (fd == -ENOENT || fd == -EMEDIUMTYPE)
        a->n_bad++;
    a->at++;
    if (a->at == a->lines->n) {
        a->state = ASSEMBLY_MAKING;
        a->at = 0;
    }
    return fd < 0 ? fd : 0;
}

/* --- Directories ----------------------------------------------------------------------------- */

/* Opens a directory in another one, made where it is missing. The descriptor or a -errno. */
static int enter(const struct assembly *a, int at, const char *name)
{
    bool made = mkdirat(at, name, 0700) == 0;
    int fd;
    int rc;

    if (!made && errno != EEXIST)
        return -errno;
    fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || !made)
        return fd < 0 ? -errno : fd;
    rc = account_give(&a->dir->account, fd);
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}

/* Opens the directory that the file is to be in, made as nginx makes it for a PUT, and *name is the
 * rest of the path. The descriptor or a -errno. */
static int open_parent(const struct assembly *a, const char **name)
{
    const char *path = a->lines->path;
    int fd = fcntl(a->dir->fd, F_DUPFD_CLOEXEC, 0);
    const char *slash;

    if (fd < 0)
        return -errno;
    while ((slash = strchr(path, '/')) != NULL) {
        size_t n = (size_t)(slash - path);
        char component[NAME_MAX + 1];
        int next;

        memcpy(component, path, n); /* n: sync_path_is_valid() */
        component[n] = '\0';
        next = enter(a, fd, component);
        close(fd);
        if (next < 0)
            return next;
        fd = next;
        path = slash + 1;
    }
    *name = path;
    return fd;
}

/* To the second, as the Date of a PUT does. */
static int set_time(const struct assembly *a, int fd)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                      {.tv_sec = (time_t)(a->lines->time / 1000)}};

    return futimens(fd, times) < 0 ? -errno : 0;
}

/* --- The file -------------------------------------------------------------------------------- */

static int open_temporary(struct assembly *a)
{
    static atomic_uint number;

    a->tmp = openat(a->dir->prefix.fd, "tmp/body", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (a->tmp < 0)
        return -errno;
    /* Names may be taken by what a server left that died. */
    do {
        snprintf(a->name, sizeof(a->name), NAME_FORM, atomic_fetch_add(&number, 1));
        a->fd = openat(a->tmp, a->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    } while (a->fd < 0 && errno == EEXIST);
    if (a->fd >= 0) {
        a->is_open = true;
        return 0;
    }
    close(a->tmp);
    return -errno;
}

/* Gives the source the file's name, too. False where that can't be, and a copy may do. */
static bool link_source(struct assembly *a)
{
    int source = open_source(a);
    const char *name = "";
    char path[64];
    int parent;
    bool is_linked;

    if (source < 0)
        return false;
    parent = open_parent(a, &name);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", source); /* this file, whatever is there now */
    is_linked = parent >= 0 && linkat(AT_FDCWD, path, parent, name, AT_SYMLINK_FOLLOW) == 0;
    if (is_linked && set_time(a, source) < 0)
        is_linked = unlinkat(parent, name, 0) < 0;
    if (parent >= 0)
        close(parent);
    close(source);
    return is_linked;
}

static int make_file(struct assembly *a)
{
    int rc;

    if (a->lines->may_link && !a->lines->wants_md5 && link_source(a)) {
        a->state = ASSEMBLY_DONE;
        return 0;
    }
    rc = open_temporary(a);
    if (rc < 0)
        return rc;
    md5_begin(&a->md5);
    a->state = ASSEMBLY_COPYING;
    return account_give(&a->dir->account, a->fd);
}

static int place_file(struct assembly *a)
{
    const char *name = "";
    int rc = set_time(a, a->fd);
    int parent = rc == 0 ? open_parent(a, &name) : rc;

    if (parent < 0)
        return parent;
    if (renameat(a->tmp, a->name, parent, name) < 0)
        rc = -errno;
    close(parent);
    if (rc < 0)
        return rc;
    close(a->fd);
    close(a->tmp);
    a->is_open = false;
    md5_finish(&a->md5, a->hash);
    a->state = ASSEMBLY_DONE;
    return 0;
}

/* --- Bytes ----------------------------------------------------------------------------------- */

static int write_slice(const struct assembly *a, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t written = pwrite(a->fd, a->slice + done, n - done, (off_t)(a->size + done));

        if (written < 0 && errno != EINTR)
            return -errno;
        done += written > 0 ? (size_t)written : 0;
    }
    return 0;
}

/* Reads some bytes of the source. Their number, or -errno. */
static ssize_t read_slice(struct assembly *a, uint64_t at, size_t n)
{
    ssize_t got;

    if (a->slice == NULL && (a->slice = malloc(READ_SLICE)) == NULL)
        return -ENOMEM;
    do
        got = pread(a->source, a->slice, n < READ_SLICE ? n : READ_SLICE, (off_t)at);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

/* Whether a kernel says by this that it doesn't copy between these files. */
static bool is_refusal(int error)
{
    return error == EXDEV || error == EINVAL || error == ENOSYS || error == EOPNOTSUPP ||
           error == EPERM || error == EBADF;
}

/* Copies up to `n` bytes from `at` of the source to the file's end. Their number, or -errno. */
static ssize_t copy_slice(struct assembly *a, uint64_t at, size_t n)
{
    loff_t from = (loff_t)at;
    loff_t to = (loff_t)a->size;
    ssize_t got = -1;
    int rc;

    while (!a->by_hand) {
        got = copy_file_range(a->source, &from, a->fd, &to, n, 0);
        if (got >= 0)
            return got;
        if (is_refusal(errno))
            a->by_hand = true;
        else if (errno != EINTR)
            return -errno;
    }
    got = read_slice(a, at, n);
    if (got <= 0)
        return got;
    rc = write_slice(a, (size_t)got);
    return rc < 0 ? rc : got;
}

/* What was copied is in memory: reading it costs little beside hashing it. */
static int hash_slice(struct assembly *a, uint64_t at, size_t n)
{
    while (n > 0) {
        ssize_t got = read_slice(a, at, n);

        if (got <= 0)
            return got < 0 ? (int)got : -EMEDIUMTYPE;
        md5_add(&a->md5, a->slice, (size_t)got);
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return 0;
}

/* Bytes up to the end of a slice of the source: a file system that shares extents does so between
 * bounds of blocks. */
static size_t slice_of(uint64_t at, uint64_t left)
{
    uint64_t n = SLICE - at % SLICE;

    return (size_t)(n < left ? n : left);
}

static int end_source(struct assembly *a)
{
    close(a->source);
    a->has_source = false;
    a->at++;
    return 0;
}

static int begin_source(struct assembly *a)
{
    int fd = open_source(a);

    if (fd < 0)
        return fd;
    a->source = fd;
    a->has_source = true;
    a->copied = 0;
    return 0;
}

/* The pieces that the last slice has completed. */
static int write_back(const struct assembly *a, uint64_t before)
{
    uint64_t end = a->size / SYNC_DISK_PIECE * SYNC_DISK_PIECE;
    int rc = 0;

    for (uint64_t at = before / SYNC_DISK_PIECE * SYNC_DISK_PIECE; rc == 0 && at < end;
         at += SYNC_DISK_PIECE)
        rc = sync_disk_write_piece(a->fd, (off_t)at);
    return rc;
}

static int copy_some(struct assembly *a)
{
    const struct assembly_source *source = &a->lines->sources[a->at];
    uint64_t at = source->offset + a->copied;
    uint64_t before = a->size;
    ssize_t n;
    int rc = 0;

    if (a->copied == source->length)
        return end_source(a);
    n = copy_slice(a, at, slice_of(at, source->length - a->copied));
    if (n <= 0) /* somebody cuts it */
        return n < 0 ? (int)n : -EMEDIUMTYPE;
    if (a->lines->wants_md5)
        rc = hash_slice(a, at, (size_t)n);
    a->copied += (uint64_t)n;
    a->size += (uint64_t)n;
    return rc == 0 && a->lines->will_sync ? write_back(a, before) : rc;
}

static int copy_on(struct assembly *a)
{
    if (a->has_source)
        return copy_some(a);
    if (a->at < a->lines->n)
        return begin_source(a);
    a->state = ASSEMBLY_PLACING;
    return 0;
}

int assembly_step(struct assembly *a)
{
    switch (a->state) {
    case ASSEMBLY_CHECKING:
        return check_source(a);
    case ASSEMBLY_MAKING:
        return make_file(a);
    case ASSEMBLY_COPYING:
        return copy_on(a);
    case ASSEMBLY_PLACING:
        return place_file(a);
    case ASSEMBLY_DONE:
        break;
    }
    return 0;
}

static void closed_cb(uv_fs_t *close)
{
    uv_fs_req_cleanup(close);
    free(close);
}

/* The last close of a file without a name gives its blocks back, which takes long for a long one.
 */
static void close_file(int fd, uv_loop_t *loop)
{
    uv_fs_t *request = malloc(sizeof(*request));

    if (request != NULL && uv_fs_close(loop, request, fd, closed_cb) == 0)
        return;
    free(request);
    close(fd);
}

void assembly_deinit(struct assembly *a, uv_loop_t *loop)
{
    if (a->has_source)
        close(a->source);
    if (a->is_open) {
        unlinkat(a->tmp, a->name, 0);
        close(a->tmp);
        close_file(a->fd, loop);
    }
    free(a->slice);
}
