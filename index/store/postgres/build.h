/* PostgreSQL's way to make a table in one go (store/build.h): one transaction, in which no index
 * can change the database, and at whose end it holds the new keys. Until then it holds what it did
 * before, and can be read.
 *
 * Names of volumes keep the ids that they have, since followers may know them. */
#ifndef MKV_POSTGRES_BUILD_H
#define MKV_POSTGRES_BUILD_H

#include <stdbool.h>

#include "index/store/build.h"

/* Begins. The database must be empty, unless `give_up` says that its keys and orphans are to go; no
 * index may use it. 0 and *build; or a negative UV_E* after a log line. */
int postgres_build_start(const char *uri, bool give_up, struct build **build);

#endif
