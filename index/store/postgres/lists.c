/* Listings: a page at a time, each a statement of its own that begins after the last entry of the
 * page before. So nothing in the database is held open for a listing, however slowly it is read. */
#include <stdlib.h>
#include <string.h>

#include "index/store/key_order.h"
#include "index/store/postgres/internal.h"

#define PAGE_DEFAULT 500
#define PAGE_MAX     2000

static const struct statement list_all = {
    STATEMENT_LIST,
    "SELECT key, rec, gen FROM keys WHERE key >= $1::bytea ORDER BY key LIMIT $2::int8"};
static const struct statement list_to = {
    STATEMENT_LIST_TO, "SELECT key, rec, gen FROM keys WHERE key >= $1::bytea AND key < $3::bytea "
                       "ORDER BY key LIMIT $2::int8"};
static const struct statement orphans_all = {STATEMENT_LIST_ORPHANS,
                                             "SELECT key, gen, orphan FROM orphans "
                                             "WHERE (key, gen) >= ($1::bytea, $3::int8) "
                                             "ORDER BY key, gen LIMIT $2::int8"};
static const struct statement orphans_of = {STATEMENT_LIST_ORPHANS_OF,
                                            "SELECT key, gen, orphan FROM orphans "
                                            "WHERE key = $1::bytea AND gen >= $3::int8 "
                                            "ORDER BY key, gen LIMIT $2::int8"};
/* By the index of owners alone there is such an order. Of "owner = $4" the primary key would give
 * one, too, and where all orphans were others' when that was planned, all of them would be read. */
static const struct statement orphans_mine = {
    STATEMENT_LIST_MINE,
    "SELECT key, gen, orphan FROM orphans WHERE (owner, key, gen) >= ($4::int8, $1::bytea, "
    "$3::int8) AND owner <= $4::int8 AND owner > 0 "
    "AND abs(held) < (extract(epoch FROM now()) * 1000)::int8 "
    "ORDER BY owner, key, gen LIMIT $2::int8"};

struct listing {
    bool of_orphans;
    bool only;
    bool mine;
    unsigned char start[STORE_KEY_MAX + 1]; /* what comes next is no less; of keys, with a byte
                                               more the one after a key */
    size_t start_len;
    uint64_t generation;
    unsigned char end[STORE_KEY_MAX]; /* what comes is less; len 0: there is no end */
    size_t end_len;
    size_t want;
    union {
        store_list_cb keys;
        store_orphan_cb orphans;
    } each;
    void *arg;
};

void listing_free(struct listing *listing)
{
    free(listing);
}

/* The first key that is over all that begin with the prefix; none where that is all 0xff. */
static void set_end(struct listing *l, const void *prefix, size_t len)
{
    memcpy(l->end, prefix, len);
    while (len > 0 && l->end[len - 1] == 0xff)
        len--;
    if (len > 0)
        l->end[len - 1]++;
    l->end_len = len;
}

static size_t page_of(size_t want)
{
    if (want == 0)
        return PAGE_DEFAULT;
    return want < PAGE_MAX ? want : PAGE_MAX;
}

static int add(struct store *store, enum request_kind kind, struct store_reading *reading,
               struct listing *l, store_listed_cb done)
{
    struct store_request *q = reads_add(postgres_of(store), kind, reading);

    if (q == NULL) {
        free(l);
        return STORE_AWAY;
    }
    q->listing = l;
    q->done.listed = done;
    return STORE_LATER;
}

int lists_list(struct store *store, struct store_reading *reading, const struct store_range *range,
               store_list_cb each, void *arg, store_listed_cb done)
{
    struct listing *l;

    if (range->prefix_len > STORE_KEY_MAX)
        return 0;
    l = calloc(1, sizeof(*l));
    if (l == NULL)
        return UV_ENOMEM;
    if (key_compare(range->start, range->start_len, range->prefix, range->prefix_len) > 0) {
        l->start_len = range->start_len <= STORE_KEY_MAX ? range->start_len : STORE_KEY_MAX;
        memcpy(l->start, range->start, l->start_len);
    } else if (range->prefix_len > 0) {
        l->start_len = range->prefix_len;
        memcpy(l->start, range->prefix, l->start_len);
    }
    if (range->prefix_len > 0)
        set_end(l, range->prefix, range->prefix_len);
    l->want = page_of(range->want);
    l->each.keys = each;
    l->arg = arg;
    return add(store, REQUEST_LIST, reading, l, done);
}

int lists_list_orphans(struct store *store, struct store_reading *reading,
                       const struct store_orphan_range *range, store_orphan_cb each, void *arg,
                       store_listed_cb done)
{
    struct listing *l = calloc(1, sizeof(*l));

    if (l == NULL)
        return UV_ENOMEM;
    l->of_orphans = true;
    l->only = range->only;
    l->mine = range->mine;
    l->start_len = range->len <= STORE_KEY_MAX ? range->len : STORE_KEY_MAX;
    if (range->len > 0)
        memcpy(l->start, range->key, l->start_len);
    l->generation = range->generation;
    l->want = page_of(range->want);
    l->each.orphans = each;
    l->arg = arg;
    return add(store, REQUEST_LIST_ORPHANS, reading, l, done);
}

static void set(struct parameters *p, int i, const void *value, size_t n)
{
    p->values[i] = value;
    p->lengths[i] = (int)n;
    if (p->n <= i)
        p->n = i + 1;
}

static void set_number(struct reader_state *r, int i, int room, uint64_t value)
{
    store_be64(r->numbers[room], value);
    set(&r->parameters, i, r->numbers[room], 8);
}

const struct statement *listing_statement(struct store_request *q, struct reader_state *r)
{
    const struct listing *l = q->listing;

    r->parameters.n = 0;
    set(&r->parameters, 0, l->start, l->start_len);
    set_number(r, 1, 0, l->want);
    if (!l->of_orphans) {
        if (l->end_len > 0)
            set(&r->parameters, 2, l->end, l->end_len);
        return l->end_len > 0 ? &list_to : &list_all;
    }
    set_number(r, 2, 1, l->generation);
    if (l->only)
        return &orphans_of;
    if (!l->mine)
        return &orphans_all;
    set_number(r, 3, 2, q->engine->lease.instance);
    return &orphans_mine;
}

static int give_key(struct store_request *q, const struct rows *rows)
{
    struct listing *l = q->listing;
    struct record record;
    size_t len = 0;
    const char *key = rows_value(rows->result, q->row, 0, &len);
    int rc;

    if (key == NULL || len > STORE_KEY_MAX)
        return UV_EIO;
    rc = rows_record(rows, q->row, 1, key, len, &record);
    if (rc != 0)
        return rc == UV_ENOENT ? UV_EIO : rc;
    memcpy(l->start, key, len); /* the next one is over this */
    l->start[len] = '\0';
    l->start_len = len + 1;
    return l->each.keys(key, len, &record, l->arg);
}

/* After the last generation that there can be comes the next key: none is between one and itself
 * with a NUL. */
static void go_on_after(struct listing *l, const char *key, size_t len, uint64_t generation)
{
    memcpy(l->start, key, len);
    l->start_len = len;
    l->generation = generation + 1;
    if (generation == INT64_MAX) {
        l->start[l->start_len++] = '\0';
        l->generation = 0;
    }
}

static int give_orphan(struct store_request *q, const struct rows *rows)
{
    struct listing *l = q->listing;
    struct orphan orphan;
    size_t len = 0;
    size_t n = 0;
    const char *key = rows_value(rows->result, q->row, 0, &len);
    const char *generation = rows_value(rows->result, q->row, 1, &n);
    int rc;

    if (key == NULL || len > STORE_KEY_MAX || generation == NULL || n != 8)
        return UV_EIO;
    rc = rows_orphan(rows, q->row, 2, key, len, &orphan);
    if (rc != 0)
        return rc == UV_ENOENT ? UV_EIO : rc;
    go_on_after(l, key, len, load_be64(generation));
    return l->each.orphans(key, len, load_be64(generation), &orphan, l->arg);
}

enum listing_state listing_take(struct store_request *q, const PGresult *result)
{
    const struct rows rows = {q->engine, result, q->is_named};
    struct listing *l = q->listing;
    int n = PQntuples(result);
    int rc = 0;

    while (q->row < n && rc == 0 && q->reading != NULL) {
        rc = l->of_orphans ? give_orphan(q, &rows) : give_key(q, &rows);
        q->row += rc == 0;
    }
    if (q->reading == NULL)
        return LISTING_IS_OVER;
    if (rc == STORE_LATER)
        return LISTING_IS_UNNAMED;
    if (rc == 0 && (size_t)n == l->want) {
        q->until = uv_now(q->engine->loop) + PATIENCE_MS;
        return LISTING_GOES_ON;
    }
    request_fail(q, rc); /* its end, whatever it is */
    return LISTING_IS_OVER;
}
