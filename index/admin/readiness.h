/* Whether an index can serve. */
#ifndef MKV_ADMIN_READINESS_H
#define MKV_ADMIN_READINESS_H

#include "index/admin/admin.h"

#define READINESS_TEXT_MAX 256

/* Whether it answers reads, and its own disk takes changes. False, with a line in `why`: it starts
 * or stops; its database can't be reached; its journal can't be written, or its disk is full; or no
 * volume can be asked. A volume or a few that are away don't count, nor does a database that
 * refuses changes: others, or the same ones by another index, serve no better. */
bool readiness_check(const struct admin *admin, char why[READINESS_TEXT_MAX]);

#endif
