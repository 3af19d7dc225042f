#include "index/base/private_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where a message goes, and what is read. */
struct reading {
    const char *path;
    size_t max;
    bool is_private;
    bool is_trusted;
    char *why;
    size_t why_size;
};

static int say(const struct reading *r, int rc)
{
    if (rc == -EAGAIN)
        snprintf(r->why, r->why_size, "%s: it changed while it was read", r->path);
    else if (rc < 0)
        snprintf(r->why, r->why_size, "%s: %s", r->path, strerror(-rc));
    return rc;
}

/* What systemd makes of a credential for a service that isn't root (systemd.exec(5)): only root can
 * have made it so, and the group's bits are the mask of an access list that names the service. */
static bool is_credential(const struct stat *file)
{
    return file->st_uid == 0 && file->st_gid == 0 && (file->st_mode & 07777) == 0440;
}

static int check(const struct reading *r, const struct stat *file)
{
    if (!S_ISREG(file->st_mode)) {
        snprintf(r->why, r->why_size, "%s: it is no regular file", r->path);
        return -EINVAL;
    }
    if (r->is_private && (file->st_mode & 077) != 0 && !is_credential(file)) {
        snprintf(r->why, r->why_size,
                 "%s: its group or others may use it (mode %04o), and it holds secrets: chmod 600 "
                 "it",
                 r->path, (unsigned)file->st_mode & 07777);
        return -EPERM;
    }
    if (r->is_trusted && (file->st_mode & S_IWOTH) != 0) {
        snprintf(r->why, r->why_size, "%s: everybody may write it (mode %04o): chmod o-w it",
                 r->path, (unsigned)file->st_mode & 07777);
        return -EPERM;
    }
    if (r->is_trusted && file->st_uid != 0 && file->st_uid != geteuid()) {
        snprintf(r->why, r->why_size, "%s: it belongs to another user (uid %u): chown it", r->path,
                 (unsigned)file->st_uid);
        return -EPERM;
    }
    if (file->st_size > (off_t)r->max) {
        snprintf(r->why, r->why_size, "%s: it is larger than %zu bytes", r->path, r->max);
        return -EFBIG;
    }
    return 0;
}

/* Reads `size` bytes, which must be all that there are. */
static int read_all(int fd, char *text, size_t size)
{
    size_t n = 0;

    while (n <= size) {
        ssize_t got = read(fd, text + n, size + 1 - n);

        if (got < 0 && errno != EINTR)
            return -errno;
        if (got == 0)
            break;
        n += got > 0 ? (size_t)got : 0;
    }
    return n == size ? 0 : -EAGAIN;
}

static int read_checked(const struct reading *r, int fd, struct buf *text)
{
    struct stat file;
    int rc;

    if (fstat(fd, &file) < 0)
        return say(r, -errno);
    rc = check(r, &file);
    if (rc < 0)
        return rc;
    /* Room for all of it at once: memory that grows leaves copies behind. */
    rc = buf_reserve(text, (size_t)file.st_size + 1);
    if (rc == 0)
        rc = read_all(fd, text->data + text->tail, (size_t)file.st_size);
    if (rc < 0) {
        private_file_wipe(text);
        return say(r, rc);
    }
    text->tail += (size_t)file.st_size;
    text->data[text->tail] = '\0';
    return 0;
}

static int read_file(const struct reading *r, struct buf *text)
{
    int fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int rc;

    if (fd < 0)
        return say(r, -errno);
    rc = read_checked(r, fd, text);
    close(fd);
    return rc;
}

int private_file_read(const char *path, size_t max, struct buf *text, char *why, size_t why_size)
{
    const struct reading r = {path, max, true, false, why, why_size};

    return read_file(&r, text);
}

int public_file_read(const char *path, size_t max, struct buf *text, char *why, size_t why_size)
{
    const struct reading r = {path, max, false, false, why, why_size};

    return read_file(&r, text);
}

int trusted_file_read(const char *path, size_t max, struct buf *text, char *why, size_t why_size)
{
    const struct reading r = {path, max, false, true, why, why_size};

    return read_file(&r, text);
}

void private_file_wipe(struct buf *text)
{
    if (text->data != NULL)
        OPENSSL_cleanse(text->data, text->capacity);
    buf_deinit(text);
}
