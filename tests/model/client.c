#include "tests/model/client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 25.0 /* seconds that a key may be unreadable */
#define LATE_MS  500  /* after an index was lost that its database may still do what it was asked */

struct tally tally;

double client_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void client_pause(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

void client_watch(const char *stop_file)
{
    unsigned long told = 0;

    while (access(stop_file, F_OK) != 0) {
        if (tally.ops >= told + 100) {
            told = tally.ops;
            printf("ops %lu\n", told);
        }
        client_pause(50);
    }
}

static void __attribute__((format(printf, 3, 4)))
complain(const struct model_key *key, const struct wire_answer *answer, const char *format, ...)
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
    tally.wrong++;
}

void client_complain(struct client *c, const struct model_key *key, const char *what)
{
    complain(key, &c->wire.answer, "%s", what);
}

/* --- Requests -------------------------------------------------------------------------------- */

void client_read_ports(char *text, struct indexes *indexes)
{
    for (char *port; (port = strsep(&text, ",")) != NULL && indexes->n < INDEXES_MAX;)
        indexes->ports[indexes->n++] = atoi(port);
}

void client_init(struct client *c, const struct indexes *indexes, uint64_t seed)
{
    *c = (struct client){.indexes = indexes, .rng = {.state = seed}, .wire = {.fd = -1}};
    c->wire.answer.body = malloc(MODEL_VALUE_MAX + WIRE_HEAD_MAX + 1);
    c->value = malloc(MODEL_VALUE_MAX);
    if (c->value == NULL || c->wire.answer.body == NULL)
        abort();
}

static void choose_index(struct client *c)
{
    int port = c->indexes->ports[rng_below(&c->rng, c->indexes->n)];

    if (port != c->wire.port)
        wire_hang_up(&c->wire);
    c->wire.port = port;
}

static bool has_no_answer(const struct client *c)
{
    int status = c->wire.answer.status;

    return status == 0 || status == 502 || status == 504;
}

void client_send(struct client *c, const char *method, const char *path, const char *value,
                 size_t n, bool chunked)
{
    tally.ops++;
    choose_index(c);
    wire_ask(&c->wire, method, path, value, n, chunked);
    if (c->indexes->n > 1 && has_no_answer(c))
        client_pause(LATE_MS);
    if (value != NULL && c->wire.answer.status / 100 != 2)
        wire_hang_up(&c->wire); /* nginx says keep-alive there, and may close nevertheless */
}

void client_ask(struct client *c, const char *method, const struct model_key *key,
                const char *value, size_t n)
{
    client_send(c, method, key->path, value, n, n % 2 == 0);
}

bool client_is_refusal(const struct client *c)
{
    const struct wire_answer *a = &c->wire.answer;
    const char *type = wire_header(a, "Content-Type");

    return (a->status == 502 || a->status == 503 || a->status == 507) && type != NULL &&
           strncmp(type, "text/plain", 10) == 0;
}

bool client_has_no_answer(const struct client *c)
{
    if (!has_no_answer(c))
        return false;
    tally.lost++;
    return true;
}

int client_follow(struct client *c)
{
    const char *location = wire_header(&c->wire.answer, "Location");
    char url[1024] = "";

    if (location != NULL)
        snprintf(url, sizeof(url), "%.*s", (int)strcspn(location, "\r"), location);
    return wire_fetch(&c->wire, url);
}

/* --- Operations ------------------------------------------------------------------------------ */

static void do_put(struct client *c, struct model_key *key)
{
    const struct wire_answer *a = &c->wire.answer;
    unsigned version = ++key->last;
    size_t n = model_value(key, version, c->value);

    tally.puts++;
    client_ask(c, "PUT", key, c->value, n);
    if (a->status == 201) {
        if (!model_may_be_gone(key))
            complain(key, a, "PUT over a key that exists");
        model_is_now(key, PRESENT, version);
    } else if (a->status == 409) {
        if (!model_may_be(key, PRESENT))
            complain(key, a, "PUT");
        else
            model_keep(key, true);
    } else if (client_is_refusal(c)) {
        tally.refused++;
    } else if (client_has_no_answer(c)) {
        if (model_may_be_gone(key))
            model_may_now_be(key, PRESENT, version);
    } else {
        complain(key, a, "PUT");
    }
}

/* Half a value, and the client is gone: nothing may come of it. */
static void do_aborted_put(struct client *c, struct model_key *key)
{
    size_t n = model_value(key, key->last + 1000000, c->value);
    char head[256];
    int len =
        snprintf(head, sizeof(head), "PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
                 key->path, n + 1);
    int fd;

    tally.aborted++;
    choose_index(c);
    fd = wire_dial(&c->wire);
    if (fd < 0)
        return;
    if (wire_send(fd, head, (size_t)len))
        wire_send(fd, c->value, rng_below(&c->rng, 3) == 0 ? n : n / 2);
    close(fd);
}

static void do_delete(struct client *c, struct model_key *key)
{
    const struct wire_answer *a = &c->wire.answer;

    tally.deletes++;
    client_ask(c, "DELETE", key, NULL, 0);
    if (a->status == 204) {
        if (!model_may_be(key, PRESENT) && !model_may_be(key, UNLINKED))
            complain(key, a, "DELETE of nothing");
        model_is_now(key, ABSENT, 0);
    } else if (a->status == 404) {
        if (!model_may_be(key, ABSENT))
            complain(key, a, "DELETE: a lost key");
        model_is_now(key, ABSENT, 0);
    } else if (client_has_no_answer(c)) {
        model_may_now_be(key, ABSENT, 0);
    } else if (client_is_refusal(c)) {
        tally.refused++;
    } else {
        complain(key, a, "DELETE");
    }
}

static void do_unlink(struct client *c, struct model_key *key)
{
    const struct wire_answer *a = &c->wire.answer;

    tally.unlinks++;
    client_ask(c, "UNLINK", key, NULL, 0);
    if (a->status == 204) {
        if (!model_may_be(key, PRESENT))
            complain(key, a, "UNLINK of nothing");
        model_keep(key, true);
        for (unsigned i = 0; i < key->n_states; i++)
            key->states[i].kind = UNLINKED;
    } else if (a->status == 404) {
        if (!model_may_be_gone(key))
            complain(key, a, "UNLINK: a lost key");
        model_keep(key, false);
    } else if (client_has_no_answer(c)) {
        for (unsigned i = 0; i < key->n_states; i++) {
            if (key->states[i].kind == PRESENT)
                model_may_now_be(key, UNLINKED, key->states[i].version);
        }
    } else if (client_is_refusal(c)) {
        tally.refused++;
    } else {
        complain(key, a, "UNLINK");
    }
}

static void do_rebalance(struct client *c, struct model_key *key)
{
    const struct wire_answer *a = &c->wire.answer;

    tally.rebalances++;
    client_ask(c, "REBALANCE", key, NULL, 0);
    if (a->status == 204 || a->status == 404) {
        if (a->status == 204 ? !model_may_be(key, PRESENT) : !model_may_be_gone(key))
            complain(key, a, "REBALANCE");
        else
            model_keep(key, a->status == 204);
    } else if (client_is_refusal(c)) {
        tally.refused++;
    } else if (!client_has_no_answer(c)) {
        complain(key, a, "REBALANCE");
    }
}

/* Which of the values it may have lies in the answer's body; 0 for none. */
static unsigned version_in_body(struct client *c, const struct model_key *key)
{
    for (unsigned i = 0; i < key->n_states; i++) {
        const struct model_state *s = &key->states[i];

        if (s->kind == PRESENT && model_value(key, s->version, c->value) == c->wire.answer.n_body &&
            memcmp(c->value, c->wire.answer.body, c->wire.answer.n_body) == 0)
            return s->version;
    }
    return 0;
}

/* Follows a redirect. True when that was it, false to try again. */
static bool follow(struct client *c, struct model_key *key)
{
    int status = client_follow(c);
    unsigned version;

    if (status == 0 || status >= 500)
        return false;
    version = status == 200 ? version_in_body(c, key) : 0;
    if (status != 200)
        complain(key, &c->wire.answer, "its volume lacks it");
    else if (version == 0)
        complain(key, &c->wire.answer, "another value of %zu bytes", c->wire.answer.n_body);
    else
        model_is_now(key, PRESENT, version);
    return true;
}

static void do_get(struct client *c, struct model_key *key)
{
    double until = client_now() + PATIENCE;

    tally.gets++;
    for (;;) {
        client_ask(c, "GET", key, NULL, 0);
        if (c->wire.answer.status == 404) {
            if (!model_may_be_gone(key))
                complain(key, &c->wire.answer, "GET: a lost key");
            model_keep(key, false);
            return;
        }
        if (c->wire.answer.status == 302 && follow(c, key))
            return;
        if (c->wire.answer.status != 302 && c->wire.answer.status != 0 &&
            c->wire.answer.status < 500) {
            complain(key, &c->wire.answer, "GET");
            return;
        }
        tally.reread++;
        if (client_now() > until) {
            complain(key, &c->wire.answer, "GET: it can't be read");
            return;
        }
        client_pause(20);
    }
}

void client_act(struct client *c, struct model_key *key)
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

/* --- The end --------------------------------------------------------------------------------- */

/* The key is on as many volumes as it should be, and on each the same. */
static void look_at_copies(struct client *c, struct model_key *key)
{
    char volumes[1024];
    char path[512];
    char url[1024];
    unsigned n = 0;
    const char *slash;
    char *rest = volumes;
    char *name;

    client_ask(c, "GET", key, NULL, 0);
    if (c->wire.answer.status != 302) {
        complain(key, &c->wire.answer, "no redirect at the end");
        return;
    }
    snprintf(volumes, sizeof(volumes), "%.*s",
             (int)strcspn(wire_header(&c->wire.answer, "Key-Volumes"), "\r"),
             wire_header(&c->wire.answer, "Key-Volumes"));
    slash = strchr(wire_header(&c->wire.answer, "Location") + 7, '/');
    snprintf(path, sizeof(path), "%.*s", (int)strcspn(slash, "\r"), slash);
    while ((name = strsep(&rest, ",")) != NULL) {
        n++;
        snprintf(url, sizeof(url), "http://%s%s", name, path);
        if (wire_fetch(&c->wire, url) != 200)
            complain(key, &c->wire.answer, "%s lacks it at the end", name);
        else if (version_in_body(c, key) == 0)
            complain(key, &c->wire.answer, "%s has another value at the end", name);
    }
    if (n != c->n_copies)
        complain(key, &c->wire.answer, "%u copies at the end", n);
}

void client_look_at(struct client *c, struct model_key *key)
{
    do_get(c, key);
    if (key->n_states != 1) /* gone, one way or the other */
        do_delete(c, key);
    if (key->n_states == 1 && key->states[0].kind == PRESENT) {
        tally.present++;
        look_at_copies(c, key);
    } else if (key->n_states == 1 && key->states[0].kind == UNLINKED) {
        tally.unlinked++;
    }
}
