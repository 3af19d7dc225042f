/* modelclient DIRECT-PORTS FRONT-PORTS CLIENTS KEYS SHARED COPIES SEED STOP-FILE GO-FILE: clients
 * of an index, each a thread with keys of its own, that PUT, GET, DELETE, UNLINK and REBALANCE them
 * at random and hold every answer against what the keys must be; and likewise SHARED keys of all
 * clients, of which all answers together must fit one order. PORTS are PORT[,PORT...]: of several
 * indexes each request goes to one at random.
 *
 * When STOP-FILE is there it prints "waiting", and when GO-FILE is, it looks at every key once
 * more, on each of its volumes. Prints a line "WRONG ..." for each answer that no state allows,
 * "ops N" now and then, and at the end how often what happened. Exit status 0 when nothing was
 * wrong. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/model/client.h"
#include "tests/model/shared.h"

struct worker {
    pthread_t thread;
    struct client client;
    struct model_key *keys;
};

static int n_keys; /* of each */
static unsigned n_copies;
static struct shared_key *shared;
static unsigned n_shared;
static atomic_bool stopping;
static pthread_barrier_t barrier;

static void *run_worker(void *arg)
{
    struct worker *w = arg;
    struct client *c = &w->client;

    while (!stopping) {
        if (n_shared > 0 && rng_below(&c->rng, 2) == 0)
            shared_act(c, &shared[rng_below(&c->rng, n_shared)]);
        else
            client_act(c, &w->keys[rng_below(&c->rng, (uint64_t)n_keys)]);
    }
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier); /* all is well again */
    for (int i = 0; i < n_keys; i++)
        client_look_at(c, &w->keys[i]);
    wire_hang_up(&c->wire);
    return NULL;
}

static void start_worker(struct worker *w, unsigned number, const struct indexes *indexes,
                         uint64_t seed)
{
    client_init(&w->client, indexes, seed + number);
    w->client.n_copies = n_copies;
    w->keys = calloc((size_t)n_keys, sizeof(*w->keys));
    if (w->keys == NULL)
        abort();
    for (int i = 0; i < n_keys; i++) {
        struct model_key *key = &w->keys[i];

        key->number = number * (unsigned)n_keys + (unsigned)i;
        snprintf(key->path, sizeof(key->path), "/model/%u/%d", number, i);
        model_is_now(key, ABSENT, 0);
    }
    pthread_create(&w->thread, NULL, run_worker, w);
}

static void start_shared(void)
{
    shared = calloc(n_shared + 1, sizeof(*shared));
    if (shared == NULL)
        abort();
    for (unsigned i = 0; i < n_shared; i++)
        shared_init(&shared[i], i);
}

/* By one of the clients, which has ended. */
static void check_shared(struct client *c)
{
    size_t n = 0;

    for (unsigned i = 0; i < n_shared; i++) {
        shared_look_at(c, &shared[i]);
        tally.wrong += !history_check(&shared[i].history, shared[i].key.path);
        n += shared[i].history.n;
    }
    printf("history: %u keys, %zu operations\n", n_shared, n);
}

static void print_tally(void)
{
    printf("ops %lu: put %lu get %lu delete %lu unlink %lu rebalance %lu cut %lu; refused %lu "
           "lost %lu reread %lu\n",
           tally.ops, tally.puts, tally.gets, tally.deletes, tally.unlinks, tally.rebalances,
           tally.aborted, tally.refused, tally.lost, tally.reread);
    printf("end: present %lu unlinked %lu wrong %lu\n", tally.present, tally.unlinked, tally.wrong);
}

int main(int argc, char **argv)
{
    static struct worker workers[1024];
    static struct indexes indexes[2];
    unsigned n_workers;

    if (argc != 10) {
        fprintf(stderr, "usage: modelclient DIRECT-PORTS FRONT-PORTS CLIENTS KEYS SHARED "
                        "COPIES SEED STOP-FILE GO-FILE\n");
        return 2;
    }
    for (int i = 0; i < 2; i++)
        client_read_ports(argv[1 + i], &indexes[i]);
    n_workers = (unsigned)atoi(argv[3]);
    n_keys = atoi(argv[4]);
    n_shared = (unsigned)atoi(argv[5]);
    n_copies = (unsigned)atoi(argv[6]);
    setlinebuf(stdout);
    signal(SIGPIPE, SIG_IGN);
    pthread_barrier_init(&barrier, NULL, n_workers + 1);
    start_shared();
    for (unsigned i = 0; i < n_workers; i++)
        start_worker(&workers[i], i, &indexes[i % 2], strtoull(argv[7], NULL, 10));
    client_watch(argv[8]);
    stopping = true;
    pthread_barrier_wait(&barrier);
    printf("waiting\n");
    while (access(argv[9], F_OK) != 0)
        client_pause(20);
    pthread_barrier_wait(&barrier);
    for (unsigned i = 0; i < n_workers; i++)
        pthread_join(workers[i].thread, NULL);
    check_shared(&workers[0].client);
    print_tally();
    return tally.wrong > 0;
}
