#include "launcher/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "index/base/log.h"

static int send_to(const char *path, const char *state)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    int fd;
    int rc = 0;

    if (n < 2 || n >= sizeof(to.sun_path) || (path[0] != '/' && path[0] != '@'))
        return -EINVAL;
    memcpy(to.sun_path, path, n);
    if (path[0] == '@')
        to.sun_path[0] = '\0'; /* the abstract namespace */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
        rc = -errno;
    close(fd);
    return rc;
}

void notify_send(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    int rc = path != NULL ? send_to(path, state) : 0;

    if (rc < 0)
        log_warn("cannot send %s to $NOTIFY_SOCKET %s: %s", state, path, strerror(-rc));
}

/* The digits in the environment, or 0. */
static uint64_t number_in(const char *name)
{
    const char *text = getenv(name);
    char *end;
    uint64_t value;

    if (text == NULL || *text < '0' || *text > '9')
        return 0;
    errno = 0;
    value = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0' ? value : 0;
}

uint64_t notify_watchdog_ms(void)
{
    uint64_t usec = number_in("WATCHDOG_USEC");

    if (getenv("WATCHDOG_PID") != NULL && number_in("WATCHDOG_PID") != (uint64_t)getpid())
        return 0;
    return usec > 0 && usec < 2000 ? 1 : usec / 2000;
}
