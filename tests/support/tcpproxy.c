/* tcpproxy PORT TARGET [BYTES [HOLD]]: passes what comes to 127.0.0.1:PORT on to TARGET, a port
 * there or the path of a Unix socket, and back; all connections and both directions together at
 * BYTES a second, without that or with 0 as fast as they go. One process: SIGSTOP makes it a link
 * that takes connections and moves no byte, SIGKILL one that refuses them.
 *
 * HOLD is a file's name. While it is there, it holds requests back that begin to come and change
 * what there is (PUT, DELETE, POST /_mkv/assemble), of 16 KiB at most, and prints "held METHOD
 * PATH". Once HOLD.go is there, it passes them on, though their clients may have gone long ago. */
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
    bool is_client; /* whose requests may be held back */
    bool is_held;   /* what is in `bytes` stays there */
};

struct pair {
    struct side sides[2]; /* the client's, the target's */
};

static struct pair *pairs[PAIRS_MAX];
static const char *target;
static const char *hold;
static char go[4096];
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
        pairs[i]->sides[0].is_client = true;
        pairs[i]->sides[1].fd = peer;
        return;
    }
    close(peer);
    close(client);
}

static bool may_read(const struct side *from)
{
    return (from->n == 0 || (from->is_held && from->n < PIECE)) && !from->eof &&
           (rate == 0 || allowance > 0);
}

static bool may_write(const struct side *from)
{
    return from->n > 0 && !from->is_held;
}

static bool begins(const struct side *from, const char *text)
{
    return from->n >= strlen(text) && memcmp(from->bytes, text, strlen(text)) == 0;
}

/* Begins to hold what was just read, or ends it. */
static void hold_or_let_go(struct side *from)
{
    if (hold == NULL || !from->is_client)
        return;
    if (from->is_held) {
        from->is_held = access(go, F_OK) != 0;
    } else if ((begins(from, "PUT ") || begins(from, "DELETE ") ||
                begins(from, "POST /_mkv/assemble ")) &&
               access(hold, F_OK) == 0) {
        from->is_held = true;
        printf("held %.*s\n", (int)strcspn(from->bytes, "\r"), from->bytes);
    }
}

/* False when the connection has failed; one whose request is held may. */
static bool read_from(struct side *from)
{
    size_t room = PIECE - from->n;
    size_t most = rate == 0 || allowance > (double)room ? room : (size_t)allowance + 1;
    ssize_t n = read(from->fd, from->bytes + from->n, most);

    if (n < 0 && errno == EAGAIN)
        return true;
    if (n < 0 && !from->is_held)
        return false;
    if (n <= 0) {
        from->eof = true;
        return true;
    }
    from->n += (size_t)n;
    allowance -= (double)n;
    return true;
}

/* False once the connection is over. */
static bool move(struct side *from, struct side *to)
{
    bool was_open = !from->eof || from->n > 0;

    if (may_read(from) && !read_from(from))
        return false;
    hold_or_let_go(from);
    if (may_write(from)) {
        ssize_t n = write(to->fd, from->bytes, from->n);

        if (n < 0 && errno != EAGAIN)
            return false;
        if (n > 0) {
            from->n -= (size_t)n;
            memmove(from->bytes, from->bytes + n, from->n);
        }
    }
    if (was_open && from->eof && from->n == 0)
        shutdown(to->fd, SHUT_WR);
    return true;
}

static void serve_pairs(void)
{
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        struct side *s = pairs[i] != NULL ? pairs[i]->sides : NULL;

        if (s == NULL ||
            (move(&s[0], &s[1]) && move(&s[1], &s[0]) && !(s[0].eof && s[0].n == 0 && s[1].eof)))
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
    fds[n].fd = side->fd;
    fds[n].events = (short)((may_read(side) ? POLLIN : 0) | (may_write(other) ? POLLOUT : 0));
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
        poll(fds, n, hold != NULL || (rate > 0 && allowance <= 0) ? 10 : -1);
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

    if (argc < 3 || argc > 5) {
        fprintf(stderr, "usage: tcpproxy PORT TARGET [BYTES [HOLD]]\n");
        return 2;
    }
    target = argv[2];
    rate = argc > 3 ? atof(argv[3]) : 0;
    hold = argc > 4 ? argv[4] : NULL;
    if (hold != NULL)
        snprintf(go, sizeof(go), "%s.go", hold);
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
