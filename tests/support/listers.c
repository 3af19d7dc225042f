/* A crowd that asks for listings and never reads them, and a client beside it that does read:
 *
 *     listers PORT N PATH MILLISECONDS PROBE-PATH
 *
 * makes N connections to 127.0.0.1:PORT, sends a GET of PATH on each, and leaves what comes. For so
 * long it then asks for PROBE-PATH, by one HEAD after the other on one connection, and prints how
 * long the answers took, in microseconds, how many were not the 302 that a key has, and what the
 * crowd was told:
 *
 *     p50 210 p99 950 max 1200 failed 0
 *     200 64 503 236 other 0 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what)
{
    fprintf(stderr, "listers: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int dial(unsigned port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        die("connect");
    return fd;
}

static void ask(int fd, const char *method, const char *path)
{
    char request[4096];
    int n = snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: x\r\n\r\n", method, path);

    if (n >= (int)sizeof(request) || send(fd, request, (size_t)n, MSG_NOSIGNAL) != n)
        die("send");
}

static long now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The time until an answer was there. */
static long probe(int fd, const char *path, unsigned *failed)
{
    char answer[4096];
    size_t got = 0;
    long begun = now_us();

    ask(fd, "HEAD", path);
    do {
        ssize_t n = recv(fd, answer + got, sizeof(answer) - 1 - got, 0);

        if (n <= 0)
            die("recv");
        got += (size_t)n;
        answer[got] = '\0';
    } while (strstr(answer, "\r\n\r\n") == NULL);
    *failed += strncmp(answer, "HTTP/1.1 302", 12) != 0;
    return now_us() - begun;
}

static int compare(const void *a, const void *b)
{
    long x = *(const long *)a;
    long y = *(const long *)b;

    return (x > y) - (x < y);
}

static void measure(int fd, long milliseconds, const char *path)
{
    enum { MOST = 1000000 };
    long *times = calloc(MOST, sizeof(*times));
    long until = now_us() + milliseconds * 1000;
    unsigned failed = 0;
    size_t n = 0;

    if (times == NULL)
        die("calloc");
    do
        times[n++] = probe(fd, path, &failed);
    while (n < MOST && now_us() < until);
    qsort(times, n, sizeof(*times), compare);
    printf("p50 %ld p99 %ld max %ld failed %u\n", times[n / 2], times[n * 99 / 100], times[n - 1],
           failed);
    free(times);
}

/* Looks at the beginning of each answer, and leaves it where it is. */
static void count_statuses(const int *fds, size_t n)
{
    unsigned ok = 0;
    unsigned busy = 0;

    for (size_t i = 0; i < n; i++) {
        char status[13] = "";
        ssize_t got = recv(fds[i], status, sizeof(status) - 1, MSG_PEEK);

        ok += got > 0 && strcmp(status, "HTTP/1.1 200") == 0;
        busy += got > 0 && strcmp(status, "HTTP/1.1 503") == 0;
    }
    printf("200 %u 503 %u other %zu\n", ok, busy, n - ok - busy);
}

int main(int argc, char **argv)
{
    struct rlimit files;
    unsigned port;
    size_t n;
    int prober;
    int *fds;

    if (argc != 6) {
        fputs("usage: listers PORT N PATH MILLISECONDS PROBE-PATH\n", stderr);
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    port = (unsigned)strtoul(argv[1], NULL, 10);
    n = strtoul(argv[2], NULL, 10);
    fds = calloc(n + 1, sizeof(*fds));
    if (fds == NULL)
        die("calloc");
    prober = dial(port);
    for (size_t i = 0; i < n; i++)
        fds[i] = dial(port);
    for (size_t i = 0; i < n; i++)
        ask(fds[i], "GET", argv[3]);
    measure(prober, strtol(argv[4], NULL, 10), argv[5]);
    count_statuses(fds, n);
    free(fds);
    return 0;
}
