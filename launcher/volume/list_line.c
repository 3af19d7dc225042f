#include "launcher/volume/list_line.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "index/base/base64.h"
#include "launcher/volume/attribute.h"

/* The attribute's field: "-" for none, else its base64. The kernel clears as many bytes as it is
 * given, at each call, so those that others than mkv can have set are asked for only where they
 * are. */
static int append_value(int fd, unsigned char value[LIST_VALUE_MAX], struct buf *out)
{
    ssize_t n = fgetxattr(fd, ATTRIBUTE_NAME, value, ATTRIBUTE_MAX);

    if (n < 0 && errno == ERANGE)
        n = fgetxattr(fd, ATTRIBUTE_NAME, value, LIST_VALUE_MAX);
    if (n < 0)
        return errno == ENODATA || errno == ENOTSUP ? buf_append_string(out, "-") : -errno;
    if (buf_reserve(out, BASE64_SIZE((size_t)n)) < 0)
        return -ENOMEM;
    out->tail += base64_encode(value, (size_t)n, out->data + out->tail);
    return 0;
}

int list_line_append(int fd, const char *path, const char *name,
                     unsigned char value[LIST_VALUE_MAX], struct buf *out)
{
    size_t before = buf_size(out);
    struct stat st;
    int rc;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -ENOENT;
    rc = buf_append_format(out, "%s/%s\t%lld\t%lld\t", path, name, (long long)st.st_size,
                           (long long)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000);
    if (rc == 0)
        rc = append_value(fd, value, out);
    if (rc == 0)
        rc = buf_append_string(out, "\n");
    if (rc < 0)
        buf_truncate(out, before);
    return rc;
}
