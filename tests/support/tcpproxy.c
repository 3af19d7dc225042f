/* tcpproxy PORT TARGET [BYTES]: passes what comes to 127.0.0.1:PORT on to TARGET, a port there or
 * the path of a Unix socket, and back; all connections and both directions together at BYTES a
 * second, without that as fast as they go. One process: SIGSTOP makes it a link that takes
 * connections and moves no byte, SIGKILL one that refuses them. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PAIRS_MAX 1024
#define PIECE     16384
#define BUFFER    32768 /* of the kernel, each way: a link holds little */

struct side {
    int fd;
    char bytes[PIECE]; /* read here, to be written to the other side */
    size_t n;
    bool eof;
};

struct pair {
    struct side sides[2]; /* the client's, the target's */
};

static struct pair *pairs[PAIRS_MAX];
static const char *target;
static double rate;      /* bytes a second, 0 for any */
static double allowance; /* bytes that may be read now */

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct sockaddr_in loopback(const char *port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)atoi(port)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void limit_buffers(int fd)
{
    int size = BUFFER;

    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

/* -1 when nobody is there. */
static int dial(void)
{
    struct sockaddr_in address = loopback(target);
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    bool is_path = target[0] == '/';
    int fd = socket(is_path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc;

    limit_buffers(fd);
    if (is_path) {
        snprintf(local.sun_path, sizeof(local.sun_path), "%s", target);
        rc = connect(fd, (struct sockaddr *)&local, sizeof(local));
    } else {
        rc = connect(fd, (struct sockaddr *)&address, sizeof(address));
    }
    if (rc == 0)
        return fd;
    close(fd);
    return -1;
}

static void take_client(int listener)
{
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    int peer = client >= 0 ? dial() : -1;

    for (size_t i = 0; peer >= 0 && i < PAIRS_MAX; i++) {
        if (pairs[i] != NULL)
            continue;
        pairs[i] = calloc(1, sizeof(*pairs[i]));
        if (pairs[i] == NULL)
            break;
        fcntl(peer, F_SETFL, O_NONBLOCK);
        pairs[i]->sides[0].fd = client;
        pairs[i]->sides[1].fd = peer;
        return;
    }
    close(peer);
    close(client);
}

/* False once the connection is over. */
static bool move(struct side *from, struct side *to)
{
    if (from->n == 0 && !from->eof && (rate == 0 || allowance > 0)) {
        size_t most = rate == 0 || allowance > PIECE ? PIECE : (size_t)allowance + 1;
        ssize_t n = read(from->fd, from->bytes, most);

        if (n < 0 && errno != EAGAIN)
            return false;
        from->n = n > 0 ? (size_t)n : 0;
        allowance -= (double)from->n;
        if (n == 0) {
            from->eof = true;
            shutdown(to->fd, SHUT_WR);
        }
    }
    if (from->n > 0) {
        ssize_t n = write(to->fd, from->bytes, from->n);

        if (n < 0 && errno != EAGAIN)
            return false;
        if (n > 0) {
            from->n -= (size_t)n;
            memmove(from->bytes, from->bytes + n, from->n);
        }
    }
    return true;
}

static void serve_pairs(void)
{
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        struct side *s = pairs[i] != NULL ? pairs[i]->sides : NULL;

        if (s == NULL || (move(&s[0], &s[1]) && move(&s[1], &s[0]) && !(s[0].eof && s[1].eof)))
            continue;
        close(s[0].fd);
        close(s[1].fd);
        free(pairs[i]);
        pairs[i] = NULL;
    }
}

static nfds_t add_side(struct pollfd *fds, nfds_t n, const struct side *side,
                       const struct side *other)
{
    bool wants_more = side->n == 0 && !side->eof && (rate == 0 || allowance > 0);

    fds[n].fd = side->fd;
    fds[n].events = (short)((wants_more ? POLLIN : 0) | (other->n > 0 ? POLLOUT : 0));
    if (fds[n].events == 0)
        fds[n].fd = -1; /* else a hang-up would wake us for nothing */
    return n + 1;
}

static void run(int listener)
{
    static struct pollfd fds[1 + 2 * PAIRS_MAX];
    double last = now();

    for (;;) {
        nfds_t n = 1;

        fds[0] = (struct pollfd){.fd = listener, .events = POLLIN};
        for (size_t i = 0; i < PAIRS_MAX; i++) {
            if (pairs[i] == NULL)
                continue;
            n = add_side(fds, n, &pairs[i]->sides[0], &pairs[i]->sides[1]);
            n = add_side(fds, n, &pairs[i]->sides[1], &pairs[i]->sides[0]);
        }
        poll(fds, n, rate > 0 && allowance <= 0 ? 10 : -1);
        allowance += (now() - last) * rate;
        if (allowance > rate / 10) /* no more than a tenth of a second is saved up */
            allowance = rate / 10;
        last = now();
        if (fds[0].revents != 0)
            take_client(listener);
        serve_pairs();
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in address;
    int on = 1;
    int fd;

    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: tcpproxy PORT TARGET [BYTES]\n");
        return 2;
    }
    target = argv[2];
    rate = argc == 4 ? atof(argv[3]) : 0;
    address = loopback(argv[1]);
    setlinebuf(stdout);
    signal(SIGPIPE, SIG_IGN);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    limit_buffers(fd); /* those accepted have the same */
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 256) != 0) {
        perror(argv[1]);
        return 1;
    }
    printf("up\n");
    run(fd);
}
