#include "index/base/local_socket.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Opens a socket and fills in the address. The descriptor or a -errno. */
static int prepare(int directory, const char *name, struct sockaddr_un *address)
{
    int n;
    int fd;

    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    n = snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%s", directory,
                 name);
    if (n >= (int)sizeof(address->sun_path))
        return -ENAMETOOLONG;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 ? fd : -errno;
}

/* -errno, and closes. */
static int failed(int fd)
{
    int rc = -errno;

    close(fd);
    return rc;
}

/* The name in the file system is made with the socket's own mode, less the umask. */
int local_socket_bind(int directory, const char *name)
{
    struct sockaddr_un address;
    int fd = prepare(directory, name, &address);

    if (fd < 0)
        return fd;
    if ((unlinkat(directory, name, 0) < 0 && errno != ENOENT) || fchmod(fd, 0600) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return failed(fd);
    return fd;
}

int local_socket_connect(int directory, const char *name)
{
    struct sockaddr_un address;
    int fd = prepare(directory, name, &address);

    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return failed(fd);
    return fd;
}
