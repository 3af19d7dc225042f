/* All states that the key can be in are followed at once through the starts and ends of operations
 * (just-in-time linearization: Gavin Lowe, Testing for Linearizability, 2017). An operation that
 * has started is open until its end. By then it must have happened: all orders of open operations
 * that lead to that are tried, and what has come to nothing is dropped. When nothing is left, the
 * answers fit no order.
 *
 * Of many clients at one key there would be too many orders. Many PUTs set a value that nobody
 * sees: they may have happened just before another PUT or DELETE that has no condition, and this
 * needs no order of its own. Then, those orders in which least has happened are tried first, and
 * others are left out; only if nothing is left of these, more of them are tried. */
#include "tests/model/history.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/rng.h"

#define OPEN_MAX   64   /* operations */
#define MOST       2000 /* possibilities at first, ... */
#define MOST_TIMES 16   /* ... and so many times more when they were too few */

/* A state that the key can be in. */
struct possibility {
    enum model_kind kind;
    unsigned version;
    uint64_t happened; /* of the open operations, a bit each */
    uint64_t hidden;   /* those that may have happened, too, and were not seen */
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
    uint64_t hideable; /* of these: nobody has seen what they did, and they had no condition */
    uint64_t reads;    /* those that only read */
    unsigned *seers;   /* by version: so many operations have seen it, that haven't ended */
    double *held;      /* by version: when the last of these began */
    const bool *seen;  /* whether any has, or perhaps has, by version */
    struct possibilities now;
    size_t most; /* of them */
    bool is_cut; /* there were more */
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

/* It changes the key whatever that is. */
static bool is_blind(const struct history_op *op)
{
    return op->effect != HISTORY_READS && op->needs == HISTORY_ANY && op->matches == 0 &&
           op->differs == 0;
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

/* Nothing can come of `p` that can't come of `q`. */
static bool covers(const struct possibility *q, const struct possibility *p, uint64_t reads)
{
    return q->kind == p->kind && q->version == p->version &&
           (q->happened & ~reads) == (p->happened & ~reads) &&
           (p->happened & reads & ~q->happened) == 0 && (p->hidden & ~q->hidden) == 0;
}

/* The slot of one that covers it, or one that is free for it; `reads` are the operations that only
 * read. */
static unsigned *slot_of(const struct possibilities *all, const struct possibility *p,
                         uint64_t reads)
{
    struct rng rng = {.state = (p->happened & ~reads) ^ (uint64_t)p->version << 8 ^ p->kind};
    size_t i = rng_next(&rng) % (2 * all->room);

    while (all->slots[i] != 0 && !covers(&all->all[all->slots[i] - 1], p, reads))
        i = (i + 1) % (2 * all->room);
    return &all->slots[i];
}

static void grow(struct possibilities *all, uint64_t reads)
{
    all->room = all->room == 0 ? 64 : 2 * all->room;
    all->all = realloc(all->all, all->room * sizeof(*all->all));
    free(all->slots);
    all->slots = calloc(2 * all->room, sizeof(*all->slots));
    if (all->all == NULL || all->slots == NULL)
        abort();
    for (size_t i = 0; i < all->n; i++)
        *slot_of(all, &all->all[i], reads) = (unsigned)i + 1;
}

static void possibilities_free(struct possibilities *all)
{
    free(all->all);
    free(all->slots);
}

/* Whether something that has not happened is to end while the value still has to be there. */
static bool is_dead_end(const struct check *c, const struct possibility *p)
{
    uint64_t past = p->happened | p->hidden;

    for (unsigned i = 0; i < OPEN_MAX && p->version != 0; i++) {
        const struct history_op *op = c->open[i];

        if (op != NULL && !op->maybe && !(past >> i & 1) && op->end < c->held[p->version])
            return true;
    }
    return false;
}

/* Adds what is possible, once. What only reads can as well happen as soon as it can. */
static void add(struct check *c, struct possibility p)
{
    struct possibilities *now = &c->now;
    unsigned *slot;

    for (unsigned i = 0; i < OPEN_MAX; i++) {
        const struct history_op *op = c->open[i];

        if (op != NULL && op->effect == HISTORY_READS && can_happen(&p, op))
            p.happened |= UINT64_C(1) << i;
        else if (op != NULL && op->effect == HISTORY_DELETES && p.kind == ABSENT)
            p.hidden |= c->hideable & UINT64_C(1) << i;
    }
    p.hidden &= ~p.happened;
    if (is_dead_end(c, &p))
        return;
    if (now->n == now->room)
        grow(now, c->reads);
    slot = slot_of(now, &p, c->reads);
    if (*slot != 0)
        return;
    *slot = (unsigned)now->n + 1;
    now->all[now->n++] = p;
}

/* The version that the key certainly had, or 0. */
static unsigned version_seen(const struct history_op *op)
{
    if (op->maybe || op->effect == HISTORY_DELETES)
        return 0;
    return op->effect == HISTORY_READS ? op->version : op->matches;
}

/* How many operations are still to see the value that there is. */
static unsigned count_seers(const struct check *c, const struct possibility *p)
{
    unsigned n = p->version != 0 ? c->seers[p->version] : 0;

    for (unsigned i = 0; i < OPEN_MAX && n > 0; i++)
        n -= (p->happened >> i & 1) && version_seen(c->open[i]) == p->version;
    return n;
}

/* Another open operation does the same, and ends sooner: that one comes first. Two that nobody has
 * seen do the same if both are PUTs, or both DELETEs. */
static bool has_first(const struct check *c, const struct possibility *p, unsigned i)
{
    const struct history_op *op = c->open[i];

    for (unsigned k = 0; k < OPEN_MAX && (c->hideable >> i & 1); k++) {
        const struct history_op *other = c->open[k];

        if (k == i || !((c->hideable & ~p->happened) >> k & 1) || other->effect != op->effect)
            continue;
        if (other->end < op->end || (other->end == op->end && k < i))
            return true;
    }
    return false;
}

/* Adds what can come of a possibility by one of the open operations. */
static void step(struct check *c, struct possibility p)
{
    unsigned seers = count_seers(c, &p);

    for (unsigned i = 0; i < OPEN_MAX; i++) {
        struct possibility next = p;

        if (c->open[i] == NULL || (p.happened >> i & 1) || !can_happen(&p, c->open[i]))
            continue;
        if (seers > (version_seen(c->open[i]) == p.version) || has_first(c, &p, i))
            continue;
        make_happen(&next, c->open[i]);
        if (next.version != p.version && !c->seen[next.version])
            next.version = 0; /* they are all the same */
        next.happened |= UINT64_C(1) << i;
        if (is_blind(c->open[i]))
            next.hidden |= c->hideable;
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
    if (op->effect == HISTORY_READS)
        c->reads |= UINT64_C(1) << i;
    if (is_blind(op) && (op->effect == HISTORY_DELETES || !c->seen[op->version]))
        c->hideable |= UINT64_C(1) << i;
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
        if (c->now.n > c->most) {
            c->is_cut = true;
            break;
        }
        if (!(c->now.all[k].happened & bit))
            step(c, c->now.all[k]);
    }
    before = c->now;
    c->open[i] = NULL;
    c->hideable &= ~bit;
    c->reads &= ~bit;
    c->seers[version_seen(op)]--;
    c->now = (struct possibilities){.n = 0};
    for (size_t k = 0; k < before.n; k++) {
        struct possibility p = before.all[k];

        if (!((p.happened | p.hidden) & bit) && !op->maybe)
            continue;
        if (c->now.n > c->most / 4) { /* what follows needs room */
            c->is_cut = true;
            break;
        }
        p.happened &= ~bit;
        p.hidden &= ~bit;
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

/* The event at which nothing is possible any more, or `n`. */
static size_t follow(struct check *c, const struct event *events, size_t n)
{
    size_t i = 0;

    add(c, (struct possibility){.kind = ABSENT});
    for (; i < n; i++) {
        if (!events[i].is_end)
            begin(c, events[i].op);
        else if (!end(c, events[i].op))
            break;
    }
    possibilities_free(&c->now);
    return i;
}

static void count_all_seers(struct check *c, bool *seen, const struct event *events, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct history_op *op = events[i].op;

        if (events[i].is_end)
            continue;
        c->seers[version_seen(op)]++;
        if (c->held[version_seen(op)] < op->start)
            c->held[version_seen(op)] = op->start;
        seen[op->matches] = true;
        seen[op->differs] = true;
        if (op->effect == HISTORY_READS)
            seen[op->version] = true;
    }
}

/* Versions are at most `last`. */
static bool check(const struct event *events, size_t n, unsigned last, const char *path)
{
    unsigned *seers = calloc(last + 1, sizeof(*seers));
    double *held = calloc(last + 1, sizeof(*held));
    bool *seen = calloc(last + 1, sizeof(*seen));
    size_t most = MOST;
    struct check c;
    size_t at;

    if (seers == NULL || held == NULL || seen == NULL)
        abort();
    do {
        c = (struct check){.seers = seers, .held = held, .seen = seen, .most = most};
        memset(seers, 0, (last + 1) * sizeof(*seers));
        count_all_seers(&c, seen, events, n);
        at = follow(&c, events, n);
        most *= MOST_TIMES;
    } while (at < n && c.is_cut);
    if (at < n)
        print_failure(events, at, path);
    free(seers);
    free(held);
    free(seen);
    return at == n;
}

static unsigned last_version(const struct history *h)
{
    unsigned last = 0;

    for (size_t i = 0; i < h->n; i++) {
        const struct history_op *op = &h->ops[i];

        last = op->version > last ? op->version : last;
        last = op->matches > last ? op->matches : last;
        last = op->differs > last ? op->differs : last;
    }
    return last;
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
    fits = check(events, 2 * h->n, last_version(h), path);
    free(events);
    return fits;
}
