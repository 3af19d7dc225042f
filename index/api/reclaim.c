/* A round walks the orphans in key order, a few at a time, and remembers in `after` where it is.
 * Volumes that could not be told are in `down` to the round's end, so that a thousand orphans on a
 * dead volume cost one timeout. */
#include "index/api/reclaim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "index/api/operation.h"
#include "index/api/removal.h"
#include "index/base/log.h"

#define ROUND_INTERVAL 5000 /* ms from the end of a round to the next */
#define AT_ONCE        16   /* orphans in hand */
#define DOWN_MAX       64   /* volumes remembered; more are asked in vain */
#define TURN_KEYS      1000 /* looked at, in hand or not, before others get the loop */

struct reclaim_op {
    struct operation base;
    struct reclaim *reclaim;
    struct record orphans;
    struct removal removal;
};

struct reclaim {
    struct api *api;
    uv_timer_t timer;
    struct key after; /* the last key that this round has seen; len 0 at its start */
    unsigned n_ops;
    unsigned looked_at; /* in this turn */
    uint64_t reclaimed; /* in this round */
    uint32_t down[DOWN_MAX];
    unsigned n_down;
    bool at_end; /* of the round's walk */
    bool stopping;
    void (*stop_cb)(void *arg);
    void *stop_arg;
};

static void go_on(struct reclaim *r);

static bool is_down(const struct reclaim *r, uint32_t volume)
{
    for (unsigned i = 0; i < r->n_down; i++) {
        if (r->down[i] == volume)
            return true;
    }
    return false;
}

static void note_down(struct reclaim *r, const struct record *left)
{
    for (unsigned i = 0; i < left->n_replicas; i++) {
        if (!is_down(r, left->replicas[i].volume) && r->n_down < DOWN_MAX)
            r->down[r->n_down++] = left->replicas[i].volume;
    }
}

/* --- One orphan ------------------------------------------------------------------------------ */

static void op_end(struct reclaim_op *op)
{
    struct reclaim *r = op->reclaim;

    operation_end(&op->base);
    r->n_ops--;
    go_on(r);
}

static void forgotten_cb(struct store_commit *commit, int rc)
{
    struct reclaim_op *op = commit->data;

    if (rc == 0)
        op->reclaim->reclaimed++;
    op_end(op);
}

static void removed_cb(struct removal *removal)
{
    struct reclaim_op *op = removal->data;
    struct store_change change;

    note_down(op->reclaim, &removal->left);
    /* Those that weren't asked this time are still there. */
    orphans_subtract(op->base.api->replicas, &op->orphans, &removal->orphans);
    orphans_add(op->base.api->replicas, &op->orphans, &removal->left);
    change = orphans_change(&op->base.key, &op->orphans);
    op->base.commit.data = op;
    if (removal->left.n_replicas == removal->orphans.n_replicas ||
        store_commit(op->base.api->store, &op->base.commit, &change, 1, forgotten_cb) < 0)
        op_end(op);
}

/* Where the key has its blob there is no orphan, whatever the store says: a dump of a running index
 * that was restored may have called it one after it had listed the key. */
static int without_named(struct api *api, const struct key *key, struct record *orphans)
{
    struct record record;
    int rc = store_get(api->store, STORE_KEYS, key->bytes, key->len, &record);

    if (rc == 0)
        orphans_subtract(api->replicas, orphans, &record);
    return rc == UV_ENOENT ? 0 : rc;
}

/* The orphans whose volumes haven't failed in this round. */
static struct record worth_asking(const struct reclaim *r, const struct record *orphans)
{
    struct record some = *orphans;

    some.n_replicas = 0;
    for (unsigned i = 0; i < orphans->n_replicas; i++) {
        if (!is_down(r, orphans->replicas[i].volume))
            some.replicas[some.n_replicas++] = orphans->replicas[i];
    }
    return some;
}

static void op_start(struct reclaim *r, const struct key *key, const struct record *orphans)
{
    struct record some = worth_asking(r, orphans);
    struct reclaim_op *op;

    if (some.n_replicas == 0 || without_named(r->api, key, &some) < 0)
        return;
    op = operation_new(sizeof(*op), r->api, NULL, key);
    if (op == NULL) /* a PUT or DELETE has it in hand itself */
        return;
    op->reclaim = r;
    op->orphans = *orphans;
    op->removal.data = op;
    r->n_ops++;
    if (removal_start(&op->removal, r->api, &op->base.key, &some, removed_cb) < 0) {
        r->n_ops--;
        operation_end(&op->base);
    }
}

/* --- A round --------------------------------------------------------------------------------- */

static int orphan_cb(const void *key, size_t len, const struct record *orphans, void *arg)
{
    struct reclaim *r = arg;

    if (len == r->after.len && memcmp(key, r->after.bytes, len) == 0)
        return 0;
    if (r->n_ops == AT_ONCE || r->looked_at == TURN_KEYS)
        return 1;
    r->looked_at++;
    r->after.len = len;
    memcpy(r->after.bytes, key, len);
    op_start(r, &r->after, orphans);
    return 0;
}

static void stopped_cb(uv_handle_t *handle)
{
    struct reclaim *r = handle->data;
    void (*cb)(void *arg) = r->stop_cb;
    void *arg = r->stop_arg;

    free(r);
    cb(arg);
}

static void timer_cb(uv_timer_t *timer)
{
    struct reclaim *r = timer->data;

    r->after.len = 0;
    r->n_down = 0;
    r->reclaimed = 0;
    r->at_end = false;
    go_on(r);
}

static void turn_cb(uv_timer_t *timer)
{
    go_on(timer->data);
}

static void end_round(struct reclaim *r)
{
    if (r->reclaimed > 0)
        log_info("reclaimed the blobs of %llu keys that are gone",
                 (unsigned long long)r->reclaimed);
    uv_timer_start(&r->timer, timer_cb, ROUND_INTERVAL, 0);
}

static void go_on(struct reclaim *r)
{
    if (r->stopping) {
        if (r->n_ops == 0 && !uv_is_closing((uv_handle_t *)&r->timer))
            uv_close((uv_handle_t *)&r->timer, stopped_cb);
        return;
    }
    r->looked_at = 0;
    if (!r->at_end && r->n_ops < AT_ONCE / 2)
        r->at_end = store_list(r->api->store, STORE_ORPHANS, "", 0, r->after.bytes, r->after.len,
                               orphan_cb, r) <= 0;
    if (r->at_end && r->n_ops == 0)
        end_round(r);
    else if (r->n_ops == 0) /* nothing in hand whose end would go on */
        uv_timer_start(&r->timer, turn_cb, 1, 0);
}

int reclaim_start(uv_loop_t *loop, struct api *api, struct reclaim **reclaim)
{
    struct reclaim *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return UV_ENOMEM;
    r->api = api;
    uv_timer_init(loop, &r->timer);
    r->timer.data = r;
    uv_timer_start(&r->timer, timer_cb, 0, 0);
    *reclaim = r;
    return 0;
}

void reclaim_stop(struct reclaim *r, void (*cb)(void *arg), void *arg)
{
    r->stopping = true;
    r->stop_cb = cb;
    r->stop_arg = arg;
    uv_timer_stop(&r->timer);
    go_on(r);
}
