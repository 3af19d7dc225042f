#include "index/store/postgres/batch.h"

#include <stdlib.h>
#include <string.h>

#include "index/store/key_order.h"

#define BATCH_BYTES (1UL << 20)
#define SQL_MAX     (1U << CHANGE_KINDS)

static_assert(STATEMENT_CHANGE + SQL_MAX <= STATEMENTS_MAX, "each has a number");

/* Made when first needed, kept for good. */
static struct statement *sqls[SQL_MAX];
static struct statement *announcement;

/* --- Which commits --------------------------------------------------------------------------- */

static bool is_of_key(enum change_kind kind)
{
    return kind <= KEY_ABSENT;
}

static uint32_t hash_of(const struct pending *p, const struct pending_change *c)
{
    struct span key = c->columns[COLUMN_KEY];
    uint64_t seed = is_of_key(c->kind) ? 0 : c->generation | 1;

    return slots_hash(seed, pending_bytes(p, key), key.len);
}

/* Whether a batch that is on its way, or is being filled, changes one of its rows: then it waits
 * for that. So the commits of one row go one after the other, and no batch waits for another one's
 * locks. The hash alone decides: that two rows have the same one only puts a commit off. */
static bool meets(const struct postgres_engine *e, const struct pending *p)
{
    size_t at;

    for (size_t i = 0; i < p->n; i++) {
        uint32_t hash = hash_of(p, &p->changes[i]);

        for (unsigned k = 0; k < ANNOUNCERS + COMMITTERS; k++) {
            if (slots_find(&e->batches[k]->rows, hash, &at) != NULL)
                return true;
        }
    }
    return false;
}

void batch_clear(struct batch *b)
{
    STAILQ_INIT(&b->commits);
    b->n = 0;
    b->most = BATCH_COMMITS;
    b->bytes = 0;
    b->kinds = 0;
    b->delta = (struct counts){0};
    slots_clear(&b->rows);
}

static int add_to(struct batch *b, struct pending *p)
{
    if (slots_reserve(&b->rows, p->n) < 0)
        return UV_ENOMEM;
    for (size_t i = 0; i < p->n; i++) {
        const struct pending_change *c = &p->changes[i];

        slots_add(&b->rows, (void *)c, hash_of(p, c));
        b->kinds |= 1U << c->kind;
        b->delta.keys += c->delta.keys;
        b->delta.unlinked += c->delta.unlinked;
        b->delta.orphans += c->delta.orphans;
    }
    STAILQ_INSERT_TAIL(&b->commits, p, link);
    b->n++;
    if (p->most != 0 && p->most < b->most)
        b->most = p->most;
    b->bytes += buf_size(&p->bytes);
    return 0;
}

static bool is_full(const struct batch *b)
{
    return b->n >= b->most || b->bytes >= BATCH_BYTES;
}

void batch_fill(struct postgres_engine *e, struct batch *b, struct backlog *waiting, unsigned share)
{
    struct pending_queue left = STAILQ_HEAD_INITIALIZER(left);
    uint64_t now = uv_now(e->loop);
    struct pending *p;

    while (!is_full(b) && b->n < share && (p = STAILQ_FIRST(&waiting->queue)) != NULL) {
        STAILQ_REMOVE_HEAD(&waiting->queue, link);
        if (p->not_before > now || (p->most != 0 && b->n >= p->most) || meets(e, p) ||
            add_to(b, p) < 0)
            STAILQ_INSERT_TAIL(&left, p, link);
    }
    waiting->n -= b->n;
    STAILQ_CONCAT(&left, &waiting->queue);
    STAILQ_CONCAT(&waiting->queue, &left);
}

void batch_deinit(struct batch *b)
{
    for (unsigned kind = 0; kind < CHANGE_KINDS; kind++) {
        for (unsigned column = 0; column < CHANGE_COLUMNS; column++)
            array_deinit(&b->arrays[kind][column]);
    }
    slots_deinit(&b->rows);
}

/* --- The statement ---------------------------------------------------------------------------- */

bool batch_looks(const struct batch *b)
{
    return b->kinds == 1U << ORPHAN_INSERT && STAILQ_FIRST(&b->commits)->is_announcement;
}

const struct statement *batch_statement(const struct batch *b)
{
    bool looks = batch_looks(b);
    struct statement **known = looks ? &announcement : &sqls[b->kinds];
    struct statement *s = *known;

    if (s != NULL)
        return s;
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->number = looks ? STATEMENT_ANNOUNCE : STATEMENT_CHANGE + b->kinds;
    s->sql = looks ? commit_sql_make_announcement() : commit_sql_make(b->kinds);
    if (s->sql == NULL) {
        free(s);
        return NULL;
    }
    *known = s;
    return s;
}

static void set_head(struct batch *b, unsigned i, uint64_t value)
{
    store_be64(b->head[i], value);
    b->parameters.values[i] = b->head[i];
    b->parameters.lengths[i] = 8;
}

static void begin_arrays(struct batch *b)
{
    for (unsigned kind = 0; kind < CHANGE_KINDS; kind++) {
        for (unsigned column = 0; column < CHANGE_COLUMNS; column++) {
            if ((b->kinds >> kind & 1) && (change_columns(kind) >> column & 1))
                array_begin(&b->arrays[kind][column],
                            change_column_is_number(column) ? ARRAY_I64 : ARRAY_BYTES);
        }
    }
}

static void add_change(struct batch *b, const struct pending *p, const struct pending_change *c)
{
    struct array *arrays = b->arrays[c->kind];

    for (unsigned column = 0; column < CHANGE_COLUMNS; column++) {
        if (!(change_columns(c->kind) >> column & 1))
            continue;
        if (column == COLUMN_GEN)
            array_add_i64(&arrays[column], c->generation);
        else if (column == COLUMN_TIME)
            array_add_i64(&arrays[column], c->time);
        else if (column == COLUMN_WAS_GEN)
            array_add_i64(&arrays[column], c->was_generation);
        else
            array_add(&arrays[column], pending_bytes(p, c->columns[column]),
                      c->columns[column].len);
    }
}

static int end_arrays(struct batch *b)
{
    struct parameters *params = &b->parameters;
    int n = COMMIT_HEAD;

    for (unsigned kind = 0; kind < CHANGE_KINDS; kind++) {
        for (unsigned column = 0; column < CHANGE_COLUMNS; column++) {
            struct array *a = &b->arrays[kind][column];

            if (!(b->kinds >> kind & 1) || !(change_columns(kind) >> column & 1))
                continue;
            if (array_end(a) < 0 || n == PARAMETERS_MAX)
                return UV_ENOMEM;
            params->values[n] = buf_bytes(&a->bytes);
            params->lengths[n++] = (int)buf_size(&a->bytes);
        }
    }
    params->n = n;
    return 0;
}

static int compare_rows(const void *a, const void *b)
{
    const struct row *x = a;
    const struct row *y = b;
    struct span x_key = x->change->columns[COLUMN_KEY];
    struct span y_key = y->change->columns[COLUMN_KEY];
    int order = key_compare(pending_bytes(x->pending, x_key), x_key.len,
                            pending_bytes(y->pending, y_key), y_key.len);

    if (order != 0)
        return order;
    return (x->change->generation > y->change->generation) -
           (x->change->generation < y->change->generation);
}

/* In the order of the keys: batches that lock the same rows in the same order wait for each other,
 * and don't end in a deadlock, which the database takes a second to see. */
static void add_changes(struct batch *b)
{
    struct pending *p;
    size_t n = 0;

    STAILQ_FOREACH(p, &b->commits, link)
    {
        for (size_t i = 0; i < p->n; i++)
            b->sorted[n++] = (struct row){p, &p->changes[i]};
    }
    qsort(b->sorted, n, sizeof(b->sorted[0]), compare_rows);
    for (size_t i = 0; i < n; i++)
        add_change(b, b->sorted[i].pending, b->sorted[i].change);
}

int batch_encode(struct batch *b, const struct connection *c)
{
    b->token = c->token + 1;
    set_head(b, 0, c->number);
    set_head(b, 1, c->token);
    set_head(b, 2, b->token);
    set_head(b, 3, c->instance);
    set_head(b, 4, (uint64_t)b->delta.keys);
    set_head(b, 5, (uint64_t)b->delta.unlinked);
    set_head(b, 6, (uint64_t)b->delta.orphans);
    begin_arrays(b);
    add_changes(b);
    return end_arrays(b);
}

/* --- The result ------------------------------------------------------------------------------- */

void batch_find_rows(struct batch *b, const PGresult *result)
{
    struct pending *p;

    STAILQ_FOREACH(p, &b->commits, link)
    {
        p->row = -1;
    }
    for (int i = 0; i < PQntuples(result); i++) {
        uint64_t number = rows_number(result, i, COMMIT_RESULT);

        if (number >= 1 && number <= b->n)
            b->sorted[number - 1].pending->row = i;
    }
}
