/* Unix sockets by their name in a directory that is open, whose path may thus be longer than the
 * address of a socket can be, and may lead elsewhere by now. */
#ifndef MKV_BASE_LOCAL_SOCKET_H
#define MKV_BASE_LOCAL_SOCKET_H

/* Makes a stream socket with mode 0600 in place of what stands there: a socket outlives the process
 * that made it, so the caller has to know that there is no other one. Nobody can connect before
 * listen(2). The descriptor or a -errno. */
int local_socket_bind(int directory, const char *name);

/* Connects. The descriptor or a -errno: -ENOENT or -ECONNREFUSED when nobody serves. */
int local_socket_connect(int directory, const char *name);

#endif
