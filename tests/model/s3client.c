/* s3client PORTS CLIENTS KEYS SEED STOP-FILE: clients of S3, each a thread, that PUT, GET, DELETE,
 * list, copy and complete uploads to a few keys at random, with conditions and without, until
 * STOP-FILE is there. PORTS are PORT[,PORT...]: of several indexes each request goes to one at
 * random, also of those that make one upload or one list.
 *
 * Prints "ops N" now and then, a line "WRONG ..." for each answer that can't be, and for each key
 * whose answers fit no order (history.h), and at the end how often what happened. Exit status 0
 * when nothing was wrong. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/model/s3_key.h"
#include "tests/model/s3_list.h"

#define CLIENTS_MAX 64

struct worker {
    pthread_t thread;
    struct s3_client s3;
};

static struct shared_key keys[S3_KEYS_MAX];
static unsigned n_keys;
static atomic_bool stopping;

static void *run_worker(void *arg)
{
    struct worker *w = arg;

    while (!stopping) {
        if (rng_one_in(&w->s3.client.rng, 25))
            s3_list(&w->s3, keys, n_keys);
        else
            s3_key_act(&w->s3, keys, rng_below(&w->s3.client.rng, n_keys));
    }
    return NULL;
}

static void start_worker(struct worker *w, unsigned number, const struct indexes *indexes,
                         uint64_t seed)
{
    w->s3.number = number;
    client_init(&w->s3.client, indexes, seed + number);
    pthread_create(&w->thread, NULL, run_worker, w);
}

static size_t check_keys(struct s3_client *s3)
{
    size_t n = 0;

    for (unsigned i = 0; i < n_keys; i++) {
        s3_key_look_at(s3, keys, i);
        tally.wrong += !history_check(&keys[i].history, keys[i].key.path);
        n += keys[i].history.n;
    }
    return n;
}

static void print_tally(size_t n)
{
    printf("history: %u keys, %zu operations\n", n_keys, n);
    printf("ops %lu: put %lu copy %lu complete %lu get %lu page %lu delete %lu; creations %lu "
           "matches %lu failed %lu conflicts %lu; lost %lu completed again %lu unread %lu given up "
           "%lu\n",
           tally.ops, tally.puts, s3_tally.copies, s3_tally.completes, tally.gets, s3_tally.pages,
           tally.deletes, s3_tally.creations, s3_tally.matches, s3_tally.failed, s3_tally.conflicts,
           tally.lost, tally.refused, tally.reread, tally.aborted);
    printf("end: present %lu wrong %lu\n", tally.present, tally.wrong);
}

int main(int argc, char **argv)
{
    static struct worker workers[CLIENTS_MAX];
    static struct indexes indexes;
    unsigned n_workers = argc == 6 ? (unsigned)atoi(argv[2]) : 0;

    n_keys = argc == 6 ? (unsigned)atoi(argv[3]) : 0;
    if (n_workers == 0 || n_workers > CLIENTS_MAX || n_keys == 0 || n_keys > S3_KEYS_MAX) {
        fprintf(stderr, "usage: s3client PORTS CLIENTS KEYS SEED STOP-FILE\n");
        return 2;
    }
    client_read_ports(argv[1], &indexes);
    setlinebuf(stdout);
    signal(SIGPIPE, SIG_IGN);
    for (unsigned i = 0; i < n_keys; i++)
        s3_key_init(keys, i);
    for (unsigned i = 0; i < n_workers; i++)
        start_worker(&workers[i], i, &indexes, strtoull(argv[4], NULL, 10));
    client_watch(argv[5]);
    stopping = true;
    for (unsigned i = 0; i < n_workers; i++)
        pthread_join(workers[i].thread, NULL);
    print_tally(check_keys(&workers[0].s3));
    return tally.wrong > 0;
}
