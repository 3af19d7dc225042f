#include "tests/support/cutproxy.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/rng.h"
#include "tests/support/storebox.h"

#define SOCKET  "/.s.PGSQL.5432"
#define LINKS   1024
#define POLL_MS 20 /* between looks at whether the proxy is to end */

struct link {
    struct cutproxy *proxy;
    uv_thread_t thread;
    int client;
};

struct cutproxy {
    char dir[64];
    char server[96]; /* the socket's path */
    int listener;
    uv_thread_t thread;
    struct link links[LINKS];
    unsigned n_links;
    atomic_bool ends;
    atomic_uint requests; /* one of so many is cut; 0: none, and so of the answers */
    atomic_uint answers;
    atomic_uint cuts;
    atomic_uint breaks; /* cutproxy_break() so far */
};

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    STOREBOX_CHECK(strlen(path) < sizeof(address.sun_path), "%s is too long", path);
    strcpy(address.sun_path, path);
    return address;
}

static bool is_cut(struct cutproxy *p, atomic_uint *one_of, struct rng *rng)
{
    unsigned n = atomic_load(one_of);

    if (n == 0 || !rng_one_in(rng, n))
        return false;
    atomic_fetch_add(&p->cuts, 1);
    return true;
}

/* False: the connection is over. */
static bool pass(struct cutproxy *p, int from, int to, atomic_uint *one_of, struct rng *rng)
{
    char bytes[65536];
    ssize_t n = read(from, bytes, sizeof(bytes));

    if (n <= 0 || is_cut(p, one_of, rng))
        return false;
    for (ssize_t at = 0; at < n;) {
        ssize_t sent = send(to, bytes + at, (size_t)(n - at), MSG_NOSIGNAL);

        if (sent < 0)
            return false;
        at += sent;
    }
    return true;
}

static void link_thread(void *arg)
{
    struct link *l = arg;
    struct cutproxy *p = l->proxy;
    struct rng rng = {.state = (uint64_t)(l - p->links) + rng_seed("MKV_CUT_SEED")};
    struct sockaddr_un address = address_of(p->server);
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unsigned breaks = atomic_load(&p->breaks);
    bool goes_on = connect(server, (struct sockaddr *)&address, sizeof(address)) == 0;
    struct pollfd fds[2] = {{.fd = l->client, .events = POLLIN}, {.fd = server, .events = POLLIN}};

    while (goes_on && !atomic_load(&p->ends) && atomic_load(&p->breaks) == breaks) {
        if (poll(fds, 2, POLL_MS) <= 0)
            continue;
        if (fds[0].revents != 0)
            goes_on = pass(p, l->client, server, &p->requests, &rng);
        if (goes_on && fds[1].revents != 0)
            goes_on = pass(p, server, l->client, &p->answers, &rng);
    }
    close(server);
    close(l->client);
}

static void accept_thread(void *arg)
{
    struct cutproxy *p = arg;
    struct pollfd fd = {.fd = p->listener, .events = POLLIN};

    while (!atomic_load(&p->ends)) {
        struct link *l = &p->links[p->n_links];

        if (poll(&fd, 1, POLL_MS) <= 0)
            continue;
        STOREBOX_CHECK(p->n_links < LINKS, "too many connections");
        l->proxy = p;
        l->client = accept(p->listener, NULL, NULL);
        if (l->client < 0)
            continue;
        STOREBOX_CHECK(uv_thread_create(&l->thread, link_thread, l) == 0, "no thread");
        p->n_links++;
    }
}

/* postgresql://postgres@/NAME?host=DIR */
static void read_uri(struct cutproxy *p, const char *uri, char *via, size_t size)
{
    const char *host = strstr(uri, "host=");

    STOREBOX_CHECK(host != NULL, "%s", uri);
    host += strlen("host=");
    snprintf(p->server, sizeof(p->server), "%s" SOCKET, host);
    snprintf(via, size, "%.*s%s", (int)(host - uri), uri, p->dir);
}

struct cutproxy *cutproxy_start(const char *uri, char *via, size_t size)
{
    struct cutproxy *p = calloc(1, sizeof(*p));
    struct sockaddr_un address;
    char path[96];

    STOREBOX_CHECK(p != NULL, "out of memory");
    storebox_make_scratch(p->dir, sizeof(p->dir), "cut");
    read_uri(p, uri, via, size);
    snprintf(path, sizeof(path), "%s" SOCKET, p->dir);
    address = address_of(path);
    p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    STOREBOX_CHECK(bind(p->listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
                       listen(p->listener, 64) == 0,
                   "%s: %s", path, strerror(errno));
    STOREBOX_CHECK(uv_thread_create(&p->thread, accept_thread, p) == 0, "no thread");
    return p;
}

void cutproxy_cut_requests(struct cutproxy *p, unsigned n)
{
    atomic_store(&p->requests, n);
}

void cutproxy_cut_answers(struct cutproxy *p, unsigned n)
{
    atomic_store(&p->answers, n);
}

void cutproxy_break(struct cutproxy *p)
{
    atomic_fetch_add(&p->breaks, 1);
}

unsigned cutproxy_cuts(const struct cutproxy *p)
{
    return atomic_load(&p->cuts);
}

void cutproxy_stop(struct cutproxy *p)
{
    atomic_store(&p->ends, true);
    uv_thread_join(&p->thread);
    for (unsigned i = 0; i < p->n_links; i++)
        uv_thread_join(&p->links[i].thread);
    close(p->listener);
    storebox_remove_directory(p->dir);
    free(p);
}
