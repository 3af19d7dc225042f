/* A volume's directory, claimed and opened by one user. */
#ifndef MKV_TESTS_OPEN_DIR_H
#define MKV_TESTS_OPEN_DIR_H

#include "launcher/volume/volume_dir.h"

static inline int open_dir(const char *path, const char *user, struct volume_dir *dir)
{
    struct volume_dir d;
    int rc = volume_dir_claim(path, user, &d);

    if (rc < 0)
        return rc;
    rc = volume_dir_open(&d);
    if (rc < 0)
        volume_dir_close(&d);
    else
        *dir = d;
    return rc;
}

#endif
