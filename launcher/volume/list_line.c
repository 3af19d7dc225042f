#include "launcher/volume/list_line.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "index/base/base64.h"
#include "launcher/volume/attribute.h"

#define DIGITS_MAX 20  /* of 64 bits */
#define SHORT      128 /* bytes of most attributes */

/* Writes a number and a tab, and returns their bytes. A listing has millions of them: printf()
 * would take a tenth of its time. */
static size_t write_number(uint64_t number, char *out)
{
    char digits[DIGITS_MAX];
    size_t n = 0;

    do
        digits[n++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    for (size_t i = 0; i < n; i++)
        out[i] = digits[n - 1 - i];
    out[n] = '\t';
    return n + 1;
}

/* Milliseconds since 1970, and 0 for a time before that. */
static uint64_t milliseconds(const struct timespec *t)
{
    return t->tv_sec < 0 ? 0 : (uint64_t)t->tv_sec * 1000 + (uint64_t)t->tv_nsec / 1000000;
}

/* All but the attribute. */
static int append_fields(const char *path, const char *name, const struct stat *st, struct buf *out)
{
    char *at;

    if (buf_reserve(out, strlen(path) + 1 + strlen(name) + 1 + 2 * (DIGITS_MAX + 1)) < 0)
        return -ENOMEM;
    at = stpcpy(out->data + out->tail, path);
    *at++ = '/';
    at = stpcpy(at, name);
    *at++ = '\t';
    at += write_number((uint64_t)st->st_size, at);
    at += write_number(milliseconds(&st->st_mtim), at);
    out->tail = (size_t)(at - out->data);
    return 0;
}

/* The kernel clears as many bytes as it is given, at each call: so long attributes, and those that
 * others than mkv can have set, are asked for only where they are. */
static ssize_t read_value(int fd, unsigned char value[LIST_VALUE_MAX])
{
    static const size_t sizes[] = {SHORT, ATTRIBUTE_MAX, LIST_VALUE_MAX};
    ssize_t n = -1;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && n < 0; i++) {
        n = fgetxattr(fd, ATTRIBUTE_NAME, value, sizes[i]);
        if (n < 0 && errno != ERANGE)
            break;
    }
    return n;
}

/* The attribute's field: "-" for none, else its base64. */
static int append_value(int fd, unsigned char value[LIST_VALUE_MAX], struct buf *out)
{
    ssize_t n = read_value(fd, value);

    if (n < 0)
        return errno == ENODATA || errno == ENOTSUP ? buf_append_string(out, "-") : -errno;
    if (buf_reserve(out, BASE64_SIZE((size_t)n)) < 0)
        return -ENOMEM;
    out->tail += base64_encode(value, (size_t)n, out->data + out->tail);
    return 0;
}

static int append_line(const struct stat *st, int fd, const char *path, const char *name,
                       unsigned char value[LIST_VALUE_MAX], struct buf *out)
{
    int rc = S_ISREG(st->st_mode) ? append_fields(path, name, st, out) : -ENOENT;

    if (rc == 0)
        rc = fd >= 0 ? append_value(fd, value, out) : buf_append_string(out, "-");
    return rc < 0 ? rc : buf_append_string(out, "\n");
}

int list_line_append(int directory, const char *path, const char *name,
                     unsigned char value[LIST_VALUE_MAX], struct buf *out)
{
    size_t before = buf_size(out);
    struct stat st;
    int fd = -1;
    int rc;

    if (value != NULL) {
        fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
            return -errno;
        rc = fstat(fd, &st);
    } else {
        rc = fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW);
    }
    rc = rc < 0 ? -errno : append_line(&st, fd, path, name, value, out);
    if (fd >= 0)
        close(fd);
    if (rc < 0)
        buf_truncate(out, before);
    return rc;
}
