/* freeport LEASES OWNER [COUNT]
 *
 * Prints the first of COUNT consecutive free loopback ports, and leases them to the process OWNER:
 * a file LEASES/PORT with its pid. No other freeport hands them out while OWNER lives, so a test
 * may close a port and open it again, and files may run in parallel. The ports lie below the
 * ephemeral range, where no outgoing connection takes them. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST = 10000, LAST = 32000 };

static bool bindable(const void *address, socklen_t len, int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    bool ok;

    if (fd < 0) {
        return family == AF_INET6; /* a host without IPv6 has no IPv6 listeners either */
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    }
    ok = bind(fd, address, len) == 0 || errno == EADDRNOTAVAIL;
    ok = ok && listen(fd, 1) == 0;
    close(fd);
    return ok;
}

static bool free_now(int port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};

    return bindable(&v4, sizeof(v4), AF_INET) && bindable(&v6, sizeof(v6), AF_INET6);
}

static bool leased(const char *leases, int port)
{
    char path[4096];
    FILE *file;
    int pid = 0;

    snprintf(path, sizeof(path), "%s/%d", leases, port);
    file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    if (fscanf(file, "%d", &pid) != 1) {
        pid = 0;
    }
    fclose(file);
    return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
}

static void lease(const char *leases, int port, const char *owner)
{
    char path[4096];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%d", leases, port);
    file = fopen(path, "we");
    if (file == NULL || fprintf(file, "%s\n", owner) < 0 || fclose(file) != 0) {
        fprintf(stderr, "freeport: %s: %s\n", path, strerror(errno));
        exit(1);
    }
}

int main(int argc, char **argv)
{
    int count = argc > 3 ? atoi(argv[3]) : 1;
    char path[4096];
    int lock;

    if (argc < 3 || count < 1 || count > 100) {
        fprintf(stderr, "usage: freeport LEASES OWNER [COUNT]\n");
        return 2;
    }
    mkdir(argv[1], 0700);
    snprintf(path, sizeof(path), "%s/lock", argv[1]);
    lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0 || flock(lock, LOCK_EX) != 0) {
        fprintf(stderr, "freeport: %s: %s\n", path, strerror(errno));
        return 1;
    }
    for (int tries = 0; tries < 1000; tries++) {
        unsigned random;
        int first;
        int i = 0;

        if (getrandom(&random, sizeof(random), 0) != sizeof(random)) {
            return 1;
        }
        first = FIRST + (int)(random % (unsigned)(LAST - FIRST - count));
        while (i < count && !leased(argv[1], first + i) && free_now(first + i)) {
            i++;
        }
        if (i == count) {
            for (i = 0; i < count; i++) {
                lease(argv[1], first + i, argv[2]);
            }
            printf("%d\n", first);
            return 0;
        }
    }
    fprintf(stderr, "freeport: no free port\n");
    return 1;
}
