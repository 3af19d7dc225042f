/* What the kernel says of a disk that didn't do what it was asked. */
#ifndef MKV_BASE_DISK_ERROR_H
#define MKV_BASE_DISK_ERROR_H

#include <errno.h>
#include <stdbool.h>
#include <uv.h>

/* Whether it is full, for us. `error`: an errno. */
static inline bool disk_is_full(int error)
{
    return error == ENOSPC || error == EDQUOT;
}

/* As a UV_E*: UV_ENOSPC, or UV_EIO for all else. */
static inline int disk_error(int error)
{
    return disk_is_full(error) ? UV_ENOSPC : UV_EIO;
}

#endif
