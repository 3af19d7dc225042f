/* All states that the key can be in are followed at once through the starts and ends of operations
 * (just-in-time linearization: Gavin Lowe, Testing for Linearizability, 2017). An operation that
 * has started is open until its end. By then it must have happened: all orders of open operations
 * that lead to that are tried, and what has come to nothing is dropped. When nothing is left, the
 * answers fit no order. */
#include "tests/model/history.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/rng.h"

#define OPEN_MAX 64 /* operations */

/* A state that the key can be in. */
struct possibility {
    enum model_kind kind;
    unsigned version;
    uint64_t happened; /* of the open operations, a bit each */
};

/* A set of them. */
struct possibilities {
    struct possibility *all;
    size_t n;
    size_t room;
    unsigned *slots; /* 2 * room, each the number of one, from 1, or 0: by hash, or one after */
};

struct check {
    const struct history_op *open[OPEN_MAX];
    struct possibilities now;
};

void history_init(struct history *h)
{
    *h = (struct history){.n = 0};
    pthread_mutex_init(&h->mutex, NULL);
}

void history_add(struct history *h, const struct history_op *op)
{
    pthread_mutex_lock(&h->mutex);
    if (h->n == h->room) {
        h->room = h->room == 0 ? 256 : 2 * h->room;
        h->ops = realloc(h->ops, h->room * sizeof(*h->ops));
        if (h->ops == NULL)
            abort();
    }
    h->ops[h->n++] = *op;
    pthread_mutex_unlock(&h->mutex);
}

/* --- What is possible ------------------------------------------------------------------------ */

static bool can_happen(const struct possibility *p, const struct history_op *op)
{
    if (!(op->needs >> p->kind & 1))
        return false;
    if ((op->matches != 0 && p->kind != ABSENT && op->matches != p->version) ||
        (op->differs != 0 && op->differs == p->version))
        return false;
    return op->effect != HISTORY_READS || op->version == 0 || op->version == p->version;
}

static void make_happen(struct possibility *p, const struct history_op *op)
{
    switch (op->effect) {
    case HISTORY_READS:
        break;
    case HISTORY_PUTS:
        p->kind = PRESENT;
        p->version = op->version;
        break;
    case HISTORY_DELETES:
        p->kind = ABSENT;
        p->version = 0;
        break;
    case HISTORY_UNLINKS:
        p->kind = UNLINKED;
        break;
    }
}

/* The slot that has it, or that is free for it. */
static unsigned *slot_of(const struct possibilities *all, const struct possibility *p)
{
    struct rng rng = {.state = p->happened ^ (uint64_t)p->version << 8 ^ p->kind};

    for (size_t i = rng_next(&rng) % (2 * all->room);; i = (i + 1) % (2 * all->room)) {
        const struct possibility *q = all->slots[i] == 0 ? p : &all->all[all->slots[i] - 1];

        if (q->kind == p->kind && q->version == p->version && q->happened == p->happened)
            return &all->slots[i];
    }
}

static void grow(struct possibilities *all)
{
    all->room = all->room == 0 ? 64 : 2 * all->room;
    all->all = realloc(all->all, all->room * sizeof(*all->all));
    free(all->slots);
    all->slots = calloc(2 * all->room, sizeof(*all->slots));
    if (all->all == NULL || all->slots == NULL)
        abort();
    for (size_t i = 0; i < all->n; i++)
        *slot_of(all, &all->all[i]) = (unsigned)i + 1;
}

static void possibilities_free(struct possibilities *all)
{
    free(all->all);
    free(all->slots);
}

/* Adds what is possible, once. What only reads can as well happen as soon as it can. */
static void add(struct check *c, struct possibility p)
{
    struct possibilities *now = &c->now;
    unsigned *slot;

    for (unsigned i = 0; i < OPEN_MAX; i++) {
        if (c->open[i] != NULL && c->open[i]->effect == HISTORY_READS && can_happen(&p, c->open[i]))
            p.happened |= UINT64_C(1) << i;
    }
    if (now->n == now->room)
        grow(now);
    slot = slot_of(now, &p);
    if (*slot != 0)
        return;
    *slot = (unsigned)now->n + 1;
    now->all[now->n++] = p;
}

/* Adds what can come of a possibility by one of the open operations. */
static void step(struct check *c, struct possibility p)
{
    for (unsigned i = 0; i < OPEN_MAX; i++) {
        struct possibility next = p;

        if (c->open[i] == NULL || (p.happened >> i & 1) || !can_happen(&p, c->open[i]))
            continue;
        make_happen(&next, c->open[i]);
        next.happened |= UINT64_C(1) << i;
        add(c, next);
    }
}

static void begin(struct check *c, const struct history_op *op)
{
    struct possibilities before = c->now;
    unsigned i = 0;

    while (i < OPEN_MAX && c->open[i] != NULL)
        i++;
    if (i == OPEN_MAX)
        abort(); /* more than there are clients */
    c->open[i] = op;
    c->now = (struct possibilities){.n = 0};
    for (size_t k = 0; k < before.n; k++)
        add(c, before.all[k]);
    possibilities_free(&before);
}

/* False when nothing is possible any more. */
static bool end(struct check *c, const struct history_op *op)
{
    struct possibilities before;
    uint64_t bit;
    unsigned i = 0;

    while (c->open[i] != op)
        i++;
    bit = UINT64_C(1) << i;
    for (size_t k = 0; k < c->now.n; k++) { /* as it grows */
        if (!(c->now.all[k].happened & bit))
            step(c, c->now.all[k]);
    }
    before = c->now;
    c->open[i] = NULL;
    c->now = (struct possibilities){.n = 0};
    for (size_t k = 0; k < before.n; k++) {
        struct possibility p = before.all[k];

        if (!(p.happened & bit) && !op->maybe)
            continue;
        p.happened &= ~bit;
        add(c, p);
    }
    possibilities_free(&before);
    return c->now.n > 0;
}

/* --- The order of starts and ends ------------------------------------------------------------ */

struct event {
    double at;
    bool is_end;
    const struct history_op *op;
};

static int compare(const void *a, const void *b)
{
    const struct event *x = a;
    const struct event *y = b;

    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return (int)x->is_end - (int)y->is_end;
}

static void print_op(const struct history_op *op, double since)
{
    static const char *const effects[] = {"read", "PUT", "DELETE", "UNLINK"};

    printf("    %.6f to %.6f: %s%s %u, with the key%s%s%s", op->start - since, op->end - since,
           op->maybe ? "perhaps " : "", effects[op->effect], op->version,
           op->needs & HISTORY_ABSENT ? " absent" : "",
           op->needs & HISTORY_PRESENT ? " present" : "",
           op->needs & HISTORY_UNLINKED ? " unlinked" : "");
    if (op->matches != 0)
        printf(" as %u", op->matches);
    if (op->differs != 0)
        printf(" not as %u", op->differs);
    printf("\n");
}

static void print_failure(const struct event *events, size_t at, const char *path)
{
    double since = events[0].at;

    printf("WRONG %s: this fits no order:\n", path);
    print_op(events[at].op, since);
    printf("  after what began here:\n");
    for (size_t i = at > 60 ? at - 60 : 0; i < at; i++) {
        if (!events[i].is_end)
            print_op(events[i].op, since);
    }
}

static bool follow(const struct event *events, size_t n, const char *path)
{
    struct check c = {.now = {.n = 0}};
    bool fits = true;

    add(&c, (struct possibility){.kind = ABSENT});
    for (size_t i = 0; i < n && fits; i++) {
        if (!events[i].is_end)
            begin(&c, events[i].op);
        else
            fits = end(&c, events[i].op);
        if (!fits)
            print_failure(events, i, path);
    }
    possibilities_free(&c.now);
    return fits;
}

bool history_check(const struct history *h, const char *path)
{
    struct event *events = calloc(2 * h->n + 1, sizeof(*events));
    bool fits;

    if (events == NULL)
        abort();
    for (size_t i = 0; i < h->n; i++) {
        events[2 * i] = (struct event){.at = h->ops[i].start, .op = &h->ops[i]};
        events[2 * i + 1] = (struct event){.at = h->ops[i].end, .is_end = true, .op = &h->ops[i]};
    }
    qsort(events, 2 * h->n, sizeof(*events), compare);
    fits = follow(events, 2 * h->n, path);
    free(events);
    return fits;
}
