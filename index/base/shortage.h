/* What this process or machine is short of, and can be short of no more a moment later. */
#ifndef MKV_BASE_SHORTAGE_H
#define MKV_BASE_SHORTAGE_H

#include <errno.h>
#include <stdbool.h>

/* Whether descriptors, memory, buffers or ports are short here, which says nothing of the disk, the
 * file or the host that something was asked of. `error`: an errno. */
static inline bool is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS ||
           error == EADDRNOTAVAIL;
}

#endif
