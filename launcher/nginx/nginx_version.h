/* What differs from one nginx to another, by what `nginx -v` says. */
#ifndef MKV_LAUNCHER_NGINX_VERSION_H
#define MKV_LAUNCHER_NGINX_VERSION_H

#include <stdbool.h>

/* Whether the nginx at `program` has the directive http2, which 1.25.1 brought; before, it is a
 * word of `listen`, of which a later one warns. True where it doesn't say its version. Blocks, and
 * forks: not for when SIGCHLD is watched. */
bool nginx_has_http2_directive(const char *program);

#endif
