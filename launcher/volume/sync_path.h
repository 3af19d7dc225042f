/* Which lines of a sync request name a blob. */
#ifndef MKV_LAUNCHER_SYNC_PATH_H
#define MKV_LAUNCHER_SYNC_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "index/cluster/placement.h"

#define SYNC_PATH_MAX (5 + PLACEMENT_PATH_MAX) /* with "/svXX" in front, and a NUL */

/* Is this a path that placement_path() could have made, with "/svXX" in front or not? Its hash is
 * not recomputed; no such path has a component of dots, or one that is empty. */
bool sync_path_is_valid(const char *path, size_t len);

#endif
