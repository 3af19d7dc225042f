/* Asks a running index by way of its admin socket. */
#ifndef MKV_LAUNCHER_ADMIN_CLIENT_H
#define MKV_LAUNCHER_ADMIN_CLIENT_H

#include <stddef.h>

#include "index/base/buf.h"

/* Gets some bytes of the answer. A negative result ends the exchange with that. */
typedef int (*admin_client_data_cb)(const char *bytes, size_t len, void *arg);

/* Sends a request to the index in the open `directory`, and waits for the head of the answer, whose
 * status is *status. The body begins with what is in `in` and goes on in the socket, which is the
 * result, the caller's to close; how a whole body ends, the caller has to know. Or -ENOENT or
 * -ECONNREFUSED when no index serves there; another -errno: -EPROTO for what is no answer, -EAGAIN
 * when none came for a minute. */
int admin_client_open(int directory, const char *method, const char *target, struct buf *in,
                      int *status);

/* The same, and appends the whole body to `body`. 0 or as above. */
int admin_client_ask(int directory, const char *method, const char *target, struct buf *body,
                     int *status);

/* GETs `target`, and blocks until the answer has ended. 0, or as above: -EPROTO for an answer other
 * than 200, too. */
int admin_client_get(int directory, const char *target, admin_client_data_cb cb, void *arg);

#endif
