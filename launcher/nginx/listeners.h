/* The public listening sockets. mkv opens them itself and hands them to nginx, as an old nginx does
 * to a new one: a port in use is our own clear error at once, and while nginx is being restarted
 * connections wait in the queue instead of being refused. */
#ifndef MKV_LAUNCHER_LISTENERS_H
#define MKV_LAUNCHER_LISTENERS_H

#include <sys/socket.h>

#include "index/base/address.h"
#include "index/base/buf.h"

#define LISTENERS_MAX 16

struct listener {
    int fd; /* -1 while not open */
    socklen_t length;
    struct sockaddr_storage address;
};

struct listeners {
    size_t n;
    struct listener items[LISTENERS_MAX];
};

/* Finds what `address` means: any host is 0.0.0.0 and [::], a name is all its addresses. Leaves out
 * those that this host can't listen on, such as [::1] where the kernel has no IPv6, with an info
 * line each, unless that is all of them. Keeps nothing open. 0, or a -errno after one log line. */
int listeners_resolve(const struct address *address, struct listeners *listeners);

/* Takes up those of `more` that aren't there yet, as long as there is room. */
void listeners_add(struct listeners *listeners, const struct listeners *more);

/* Binds all of them and listens. 0, or a -errno after one log line and with all closed. */
int listeners_open(struct listeners *listeners);

/* Closes what is open and keeps the addresses. */
void listeners_close(struct listeners *listeners);

/* Whether nobody but this host can connect to any of them. */
bool listeners_are_loopback(const struct listeners *listeners);

/* Opens one socket on 127.0.0.1 and a port that the kernel picks, both in *listener. 0, or a -errno
 * after one log line. */
int listeners_open_private(struct listener *listener, unsigned *port);

/* Append to *out: nginx `listen` directives on one line, so that line numbers in nginx's messages
 * agree with the template's, each with `words` at its end; the addresses for people, with a space
 * between; the environment variable by which nginx finds the open sockets. 0 or -ENOMEM. */
int listeners_append_directives(const struct listeners *listeners, const char *words,
                                struct buf *out);
int listeners_append_names(const struct listeners *listeners, struct buf *out);
int listeners_append_environment(const struct listeners *listeners, struct buf *out);

#endif
