/* modelclient DIRECT-PORT FRONT-PORT SECONDS CLIENTS KEYS COPIES SEED GO-FILE: clients of an index,
 * each a thread with keys of its own, that PUT, GET, DELETE, UNLINK and REBALANCE them at random
 * and hold every answer against what the keys must be. An answer that leaves it open (lost, or an
 * error page of nginx) leaves both: a key has a set of states that it may be in.
 *
 * After so many seconds it prints "waiting", and when GO-FILE is there it looks at every key once
 * more, on each of its volumes. Prints a line "WRONG ..." for each answer that no state allows,
 * "ops N" now and then, and at the end how often what happened. Exit status 0 when nothing was
 * wrong. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/rng.h"

#define VALUE_MAX   400000
#define STATES_MAX  16
#define HEAD_MAX    16384
#define PATIENCE    25.0 /* seconds that a key may be busy, or unreadable */
#define INDEX_WAIT  60   /* seconds to an answer of the index */
#define VOLUME_WAIT 3    /* seconds to one of a volume, which may be stopped */

enum kind { ABSENT, PRESENT, UNLINKED };

struct state {
    enum kind kind;
    unsigned version; /* of the value, unless absent */
};

struct owned_key {
    char path[64];
    unsigned number;
    unsigned last; /* version */
    struct state states[STATES_MAX];
    unsigned n_states;
};

struct answer {
    int status; /* 0: none came */
    char head[HEAD_MAX + 1];
    char *body; /* VALUE_MAX + 1 bytes */
    size_t n_body;
};

struct client {
    pthread_t thread;
    unsigned number;
    int port; /* of the index */
    int fd;   /* to it, or -1 */
    struct rng rng;
    struct owned_key *keys;
    struct answer answer;
    char *value; /* VALUE_MAX bytes */
};

static int seconds, n_clients, n_keys, n_copies;
static const char *go_file;
static double end_at;
static atomic_ulong ops, wrong, n_puts, n_gets, n_deletes, n_unlinks, n_rebalances;
static atomic_ulong refused, busy, lost, reread, aborted, n_present, n_unlinked;
static pthread_barrier_t barrier;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

/* --- What the keys may be ----------------------------------------------------------------------
 */

static void complain(const struct owned_key *key, const struct answer *answer, const char *format,
                     ...)
{
    static const char *const names[] = {"absent", "present", "unlinked"};
    char states[256] = "";
    char what[256];
    size_t n = 0;
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    for (unsigned i = 0; i < key->n_states && n < sizeof(states); i++)
        n += (size_t)snprintf(states + n, sizeof(states) - n, " %s-%u", names[key->states[i].kind],
                              key->states[i].version);
    printf("WRONG %s: %s, answer %d; may be%s; %.300s\n", key->path, what, answer->status, states,
           answer->head);
    wrong++;
}

static bool may_be(const struct owned_key *key, enum kind kind)
{
    for (unsigned i = 0; i < key->n_states; i++) {
        if (key->states[i].kind == kind)
            return true;
    }
    return false;
}

static bool may_be_gone(const struct owned_key *key)
{
    return may_be(key, ABSENT) || may_be(key, UNLINKED);
}

static void is_now(struct owned_key *key, enum kind kind, unsigned version)
{
    key->states[0] = (struct state){kind, version};
    key->n_states = 1;
}

static void may_now_be(struct owned_key *key, enum kind kind, unsigned version)
{
    for (unsigned i = 0; i < key->n_states; i++) {
        if (key->states[i].kind == kind && key->states[i].version == version)
            return;
    }
    if (key->n_states < STATES_MAX)
        key->states[key->n_states++] = (struct state){kind, version};
    else
        printf("WRONG %s: nothing is known of it any more\n", key->path);
}

/* What is present, or what is not. */
static void keep(struct owned_key *key, bool present)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < key->n_states; i++) {
        if ((key->states[i].kind == PRESENT) == present)
            key->states[kept++] = key->states[i];
    }
    key->n_states = kept;
}

/* --- Values: a version of a key has one ----------------------------------------------------------
 */

static size_t make_value(const struct owned_key *key, unsigned version, char *bytes)
{
    struct rng rng = {.state = (uint64_t)key->number << 32 | version};
    uint64_t word = 0;
    size_t n;

    n = rng_below(&rng, 10) < 6 ? 2000 : rng_below(&rng, 4) != 0 ? 60000 : VALUE_MAX;
    n = 1 + rng_below(&rng, n);
    for (size_t i = 0; i < n; i++) {
        if (i % 8 == 0)
            word = rng_next(&rng);
        bytes[i] = (char)(word >> (i % 8 * 8));
    }
    return n;
}

/* --- HTTP ----------------------------------------------------------------------------------------
 */

static int dial(const struct sockaddr_in *address, int wait)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {.tv_sec = wait};
    int on = 1;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static int dial_index(const struct client *client)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)client->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    return dial(&address, INDEX_WAIT);
}

static bool send_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        bytes += sent;
        n -= (size_t)sent;
    }
    return true;
}

/* The value of a header, up to its line's end, or NULL. */
static const char *header(const struct answer *a, const char *name)
{
    size_t n = strlen(name);

    for (const char *line = strchr(a->head, '\n'); line != NULL; line = strchr(line, '\n')) {
        line++;
        if (strncasecmp(line, name, n) == 0 && line[n] == ':')
            return line + n + 1 + strspn(line + n + 1, " ");
    }
    return NULL;
}

/* False when the answer is not whole. */
static bool read_answer(int fd, struct answer *a, bool has_body)
{
    const char *length;
    size_t have = 0;
    size_t body;
    char *end;

    a->status = 0;
    for (;;) {
        ssize_t n = have < HEAD_MAX ? recv(fd, a->head + have, HEAD_MAX - have, 0) : 0;

        if (n <= 0)
            return false;
        have += (size_t)n;
        a->head[have] = '\0';
        end = strstr(a->head, "\r\n\r\n");
        if (end != NULL)
            break;
    }
    end += 4;
    a->n_body = have - (size_t)(end - a->head);
    memcpy(a->body, end, a->n_body);
    *end = '\0';
    length = header(a, "Content-Length");
    body = has_body && length != NULL ? strtoul(length, NULL, 10) : 0;
    if (body > VALUE_MAX)
        return false;
    while (a->n_body < body) {
        ssize_t n = recv(fd, a->body + a->n_body, body - a->n_body, 0);

        if (n <= 0)
            return false;
        a->n_body += (size_t)n;
    }
    a->body[a->n_body] = '\0';
    return sscanf(a->head, "HTTP/1.1 %d", &a->status) == 1;
}

static void hang_up(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

/* Asks the index; c->answer.status is 0 when no answer came. */
static void ask(struct client *c, const char *method, const char *path, const char *value, size_t n,
                bool chunked)
{
    const char *connection;
    char head[256];
    char tail[] = "\r\n0\r\n\r\n";
    int len;
    bool fresh = c->fd < 0;

    ops++;
    c->answer.head[0] = '\0';
    c->answer.status = 0;
    if (fresh)
        c->fd = dial_index(c);
    if (c->fd < 0)
        return;
    if (value == NULL)
        len = snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: x\r\n\r\n", method, path);
    else if (chunked)
        len = snprintf(head, sizeof(head),
                       "%s %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n",
                       method, path, n);
    else
        len = snprintf(head, sizeof(head),
                       "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", method, path, n);
    if (send_all(c->fd, head, (size_t)len) && value != NULL && send_all(c->fd, value, n) && chunked)
        send_all(c->fd, tail, sizeof(tail) - 1);
    /* Whatever was not sent: the answer may be there. */
    if (!read_answer(c->fd, &c->answer, true))
        c->answer.status = 0;
    connection = header(&c->answer, "Connection");
    if (c->answer.status == 0 || (connection != NULL && strncasecmp(connection, "close", 5) == 0))
        hang_up(c);
}

/* GETs "http://ADDRESS:PORT/PATH" of a volume: the status, or 0. */
static int fetch(struct client *c, const char *url)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    static const char http[] = "http://127.0.0.1:";
    char head[1024];
    const char *path;
    int len;
    int fd;

    if (strncmp(url, http, sizeof(http) - 1) != 0)
        return -1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)atoi(url + sizeof(http) - 1));
    path = strchr(url + sizeof(http) - 1, '/');
    fd = dial(&address, VOLUME_WAIT);
    if (fd < 0)
        return 0;
    len = snprintf(head, sizeof(head), "GET %.*s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                   (int)strcspn(path, "\r\n"), path);
    if (!send_all(fd, head, (size_t)len) || !read_answer(fd, &c->answer, true))
        c->answer.status = 0;
    close(fd);
    return c->answer.status;
}

/* --- Operations ----------------------------------------------------------------------------------
 */

/* The key is in the hands of something that goes on behind an answer. */
static bool is_busy(const struct answer *a)
{
    return a->status == 409 && strstr(a->body, "being changed") != NULL;
}

/* An error that says for certain that nothing has changed: it is the index's own. */
static bool is_refusal(const struct answer *a)
{
    const char *type = header(a, "Content-Type");

    return (a->status == 502 || a->status == 503 || a->status == 507) && type != NULL &&
           strncmp(type, "text/plain", 10) == 0;
}

static bool is_open(const struct answer *a)
{
    if (a->status != 0 && a->status != 502 && a->status != 504)
        return false;
    lost++;
    return true;
}

static void ask_until_free(struct client *c, struct owned_key *key, const char *method,
                           const char *value, size_t n)
{
    double until = now() + PATIENCE;

    for (;;) {
        ask(c, method, key->path, value, n, n % 2 == 0);
        if (value != NULL && c->answer.status != 201)
            hang_up(c); /* nginx says keep-alive there, and may close nevertheless */
        if (!is_busy(&c->answer))
            return;
        busy++;
        if (now() > until) {
            complain(key, &c->answer, "%s: it stays busy", method);
            return;
        }
        pause_ms(10);
    }
}

static void do_put(struct client *c, struct owned_key *key)
{
    const struct answer *a = &c->answer;
    unsigned version = ++key->last;
    size_t n = make_value(key, version, c->value);

    n_puts++;
    ask_until_free(c, key, "PUT", c->value, n);
    if (a->status == 201) {
        if (!may_be_gone(key))
            complain(key, a, "PUT over a key that exists");
        is_now(key, PRESENT, version);
    } else if (a->status == 409) {
        if (!may_be(key, PRESENT))
            complain(key, a, "PUT");
        else
            keep(key, true);
    } else if (is_refusal(a)) {
        refused++;
    } else if (is_open(a)) {
        if (may_be_gone(key))
            may_now_be(key, PRESENT, version);
    } else {
        complain(key, a, "PUT");
    }
}

/* Half a value, and the client is gone: nothing may come of it. */
static void do_aborted_put(struct client *c, struct owned_key *key)
{
    size_t n = make_value(key, key->last + 1000000, c->value);
    int fd = dial_index(c);
    char head[256];
    int len =
        snprintf(head, sizeof(head), "PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
                 key->path, n + 1);

    aborted++;
    if (fd < 0)
        return;
    if (send_all(fd, head, (size_t)len))
        send_all(fd, c->value, rng_below(&c->rng, 3) == 0 ? n : n / 2);
    close(fd);
}

static void do_delete(struct client *c, struct owned_key *key)
{
    const struct answer *a = &c->answer;

    n_deletes++;
    ask_until_free(c, key, "DELETE", NULL, 0);
    if (a->status == 204) {
        if (!may_be(key, PRESENT) && !may_be(key, UNLINKED))
            complain(key, a, "DELETE of nothing");
        is_now(key, ABSENT, 0);
    } else if (a->status == 404) {
        if (!may_be(key, ABSENT))
            complain(key, a, "DELETE: a lost key");
        is_now(key, ABSENT, 0);
    } else if (is_open(a)) {
        may_now_be(key, ABSENT, 0);
    } else {
        complain(key, a, "DELETE");
    }
}

static void do_unlink(struct client *c, struct owned_key *key)
{
    const struct answer *a = &c->answer;

    n_unlinks++;
    ask_until_free(c, key, "UNLINK", NULL, 0);
    if (a->status == 204) {
        if (!may_be(key, PRESENT))
            complain(key, a, "UNLINK of nothing");
        keep(key, true);
        for (unsigned i = 0; i < key->n_states; i++)
            key->states[i].kind = UNLINKED;
    } else if (a->status == 404) {
        if (!may_be_gone(key))
            complain(key, a, "UNLINK: a lost key");
        keep(key, false);
    } else if (is_open(a)) {
        for (unsigned i = 0; i < key->n_states; i++) {
            if (key->states[i].kind == PRESENT)
                may_now_be(key, UNLINKED, key->states[i].version);
        }
    } else {
        complain(key, a, "UNLINK");
    }
}

static void do_rebalance(struct client *c, struct owned_key *key)
{
    const struct answer *a = &c->answer;

    n_rebalances++;
    ask_until_free(c, key, "REBALANCE", NULL, 0);
    if (a->status == 204 || a->status == 404) {
        if (a->status == 204 ? !may_be(key, PRESENT) : !may_be_gone(key))
            complain(key, a, "REBALANCE");
        else
            keep(key, a->status == 204);
    } else if (is_refusal(a)) {
        refused++;
    } else if (!is_open(a)) {
        complain(key, a, "REBALANCE");
    }
}

/* Which of the values it may have lies in the answer's body; 0 for none. */
static unsigned version_in_body(struct client *c, const struct owned_key *key)
{
    for (unsigned i = 0; i < key->n_states; i++) {
        const struct state *s = &key->states[i];

        if (s->kind == PRESENT && make_value(key, s->version, c->value) == c->answer.n_body &&
            memcmp(c->value, c->answer.body, c->answer.n_body) == 0)
            return s->version;
    }
    return 0;
}

/* Follows a redirect. True when that was it, false to try again. */
static bool follow(struct client *c, struct owned_key *key)
{
    const char *location = header(&c->answer, "Location");
    char url[1024] = "";
    unsigned version;
    int status;

    if (location != NULL)
        snprintf(url, sizeof(url), "%.*s", (int)strcspn(location, "\r"), location);
    status = fetch(c, url);
    if (status == 0 || status >= 500)
        return false;
    version = status == 200 ? version_in_body(c, key) : 0;
    if (status != 200)
        complain(key, &c->answer, "the volume of %s lacks it", url);
    else if (version == 0)
        complain(key, &c->answer, "another value of %zu bytes at %s", c->answer.n_body, url);
    else
        is_now(key, PRESENT, version);
    return true;
}

static void do_get(struct client *c, struct owned_key *key)
{
    double until = now() + PATIENCE;

    n_gets++;
    for (;;) {
        ask(c, "GET", key->path, NULL, 0, false);
        if (c->answer.status == 404) {
            if (!may_be_gone(key))
                complain(key, &c->answer, "GET: a lost key");
            keep(key, false);
            return;
        }
        if (c->answer.status == 302 && follow(c, key))
            return;
        if (c->answer.status != 302 && c->answer.status != 0 && c->answer.status < 500) {
            complain(key, &c->answer, "GET");
            return;
        }
        reread++;
        if (now() > until) {
            complain(key, &c->answer, "GET: it can't be read");
            return;
        }
        pause_ms(20);
    }
}

/* --- The end -------------------------------------------------------------------------------------
 */

/* The key is on as many volumes as it should be, and on each the same. */
static void look_at_copies(struct client *c, struct owned_key *key)
{
    char volumes[1024];
    char path[512];
    char url[1024];
    unsigned n = 0;
    const char *slash;
    char *rest = volumes;
    char *name;

    ask(c, "GET", key->path, NULL, 0, false);
    if (c->answer.status != 302) {
        complain(key, &c->answer, "no redirect at the end");
        return;
    }
    snprintf(volumes, sizeof(volumes), "%.*s",
             (int)strcspn(header(&c->answer, "Key-Volumes"), "\r"),
             header(&c->answer, "Key-Volumes"));
    slash = strchr(header(&c->answer, "Location") + 7, '/');
    snprintf(path, sizeof(path), "%.*s", (int)strcspn(slash, "\r"), slash);
    while ((name = strsep(&rest, ",")) != NULL) {
        n++;
        snprintf(url, sizeof(url), "http://%s%s", name, path);
        if (fetch(c, url) != 200)
            complain(key, &c->answer, "%s lacks it at the end", name);
        else if (version_in_body(c, key) == 0)
            complain(key, &c->answer, "%s has another value at the end", name);
    }
    if (n != (unsigned)n_copies)
        complain(key, &c->answer, "%u copies at the end", n);
}

static void look_at_key(struct client *c, struct owned_key *key)
{
    do_get(c, key);
    if (key->n_states != 1) /* gone, one way or the other */
        do_delete(c, key);
    if (key->n_states == 1 && key->states[0].kind == PRESENT) {
        n_present++;
        look_at_copies(c, key);
    } else if (key->n_states == 1 && key->states[0].kind == UNLINKED) {
        n_unlinked++;
    }
}

/* --- The clients ---------------------------------------------------------------------------------
 */

static void do_something(struct client *c, struct owned_key *key)
{
    unsigned dice = (unsigned)rng_below(&c->rng, 100);

    if (dice < 30)
        do_put(c, key);
    else if (dice < 70)
        do_get(c, key);
    else if (dice < 82)
        do_delete(c, key);
    else if (dice < 88)
        do_unlink(c, key);
    else if (dice < 94)
        do_aborted_put(c, key);
    else
        do_rebalance(c, key);
}

static void *run_client(void *arg)
{
    struct client *c = arg;

    while (now() < end_at)
        do_something(c, &c->keys[rng_below(&c->rng, (uint64_t)n_keys)]);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier); /* all is well again */
    for (int i = 0; i < n_keys; i++)
        look_at_key(c, &c->keys[i]);
    hang_up(c);
    return NULL;
}

static void start_client(struct client *c, unsigned number, int port, uint64_t seed)
{
    c->number = number;
    c->port = port;
    c->fd = -1;
    c->rng.state = seed + number;
    c->keys = calloc((size_t)n_keys, sizeof(*c->keys));
    c->value = malloc(VALUE_MAX);
    c->answer.body = malloc(VALUE_MAX + HEAD_MAX + 1);
    if (c->keys == NULL || c->value == NULL || c->answer.body == NULL)
        abort();
    for (int i = 0; i < n_keys; i++) {
        struct owned_key *key = &c->keys[i];

        key->number = number * (unsigned)n_keys + (unsigned)i;
        snprintf(key->path, sizeof(key->path), "/model/%u/%d", number, i);
        is_now(key, ABSENT, 0);
    }
    pthread_create(&c->thread, NULL, run_client, c);
}

/* Tells of the progress until the time is up. */
static void watch(void)
{
    unsigned long told = 0;

    while (now() < end_at) {
        if (ops >= told + 100) {
            told = ops;
            printf("ops %lu\n", told);
        }
        pause_ms(50);
    }
}

int main(int argc, char **argv)
{
    static struct client clients[1024];

    if (argc != 9) {
        fprintf(stderr,
                "usage: modelclient DIRECT-PORT FRONT-PORT SECONDS CLIENTS KEYS COPIES SEED "
                "GO-FILE\n");
        return 2;
    }
    seconds = atoi(argv[3]);
    n_clients = atoi(argv[4]);
    n_keys = atoi(argv[5]);
    n_copies = atoi(argv[6]);
    go_file = argv[8];
    setlinebuf(stdout);
    signal(SIGPIPE, SIG_IGN);
    end_at = now() + seconds;
    pthread_barrier_init(&barrier, NULL, (unsigned)n_clients + 1);
    for (int i = 0; i < n_clients; i++)
        start_client(&clients[i], (unsigned)i, atoi(argv[1 + i % 2]), strtoull(argv[7], NULL, 10));
    watch();
    pthread_barrier_wait(&barrier);
    printf("waiting\n");
    while (access(go_file, F_OK) != 0)
        pause_ms(20);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < n_clients; i++)
        pthread_join(clients[i].thread, NULL);
    printf("ops %lu: put %lu get %lu delete %lu unlink %lu rebalance %lu cut %lu; refused %lu busy "
           "%lu lost %lu reread %lu\n",
           ops, n_puts, n_gets, n_deletes, n_unlinks, n_rebalances, aborted, refused, busy, lost,
           reread);
    printf("end: present %lu unlinked %lu wrong %lu\n", n_present, n_unlinked, wrong);
    return wrong > 0;
}
