#include "launcher/volume/attribute.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/xattr.h>

#include "index/base/log.h"

#define IS_TOLD (-1)

static atomic_int refusal; /* the errno of the latest one; 0 for none yet, or IS_TOLD */

static bool has_already(int fd, const struct attribute *attribute)
{
    char bytes[ATTRIBUTE_MAX];

    return attribute->len <= sizeof(bytes) &&
           fgetxattr(fd, ATTRIBUTE_NAME, bytes, sizeof(bytes)) == (ssize_t)attribute->len &&
           memcmp(bytes, attribute->bytes, attribute->len) == 0;
}

/* Whether a file system says by this that it has no attributes, or no room for this one. */
static bool is_refusal(int error)
{
    return error == ENOTSUP || error == ENOSPC || error == EDQUOT || error == E2BIG ||
           error == ERANGE;
}

int attribute_set(int fd, const struct attribute *attribute)
{
    int none = 0;

    if (has_already(fd, attribute) ||
        fsetxattr(fd, ATTRIBUTE_NAME, attribute->bytes, attribute->len, 0) == 0)
        return 0;
    if (!is_refusal(errno))
        return -errno;
    atomic_compare_exchange_strong(&refusal, &none, errno);
    return 0;
}

void attribute_log_refusal(void)
{
    int error = atomic_load(&refusal);

    if (error <= 0)
        return;
    atomic_store(&refusal, IS_TOLD);
    log_warn("the extended attribute " ATTRIBUTE_NAME " can't be set on some files: %s. They lack "
             "what their names don't say",
             strerror(error));
}
