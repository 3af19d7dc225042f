/* Asks a running index by way of its admin socket. */
#ifndef MKV_LAUNCHER_ADMIN_CLIENT_H
#define MKV_LAUNCHER_ADMIN_CLIENT_H

#include <stddef.h>

/* Gets some bytes of the answer. A negative result ends the exchange with that. */
typedef int (*admin_client_data_cb)(const char *bytes, size_t len, void *arg);

/* GETs `target` from the index in the open `directory`, and blocks until the answer has ended; how
 * a whole one ends, the caller has to know. 0; -ENOENT or -ECONNREFUSED when no index serves there;
 * another -errno: -EPROTO for an answer other than 200, -EAGAIN when none came for a minute. */
int admin_client_get(int directory, const char *target, admin_client_data_cb cb, void *arg);

#endif
