/* Happy path: a walk finds the keys, and a move brings each to its places.
 *
 * Failures: a move that fails leaves its key as it was; it is counted, and the walk goes on. A key
 * that a client changes meanwhile, whatever its move came to, is where it is to be, or the next
 * pass or job finds it. One whose older copy is still to be removed where it is to go (a job was
 * killed, or a volume was away) waits for another pass, as long as that can help: the reclaimer
 * leaves a blob alone for a grace.
 */
#include "index/maintenance/moves.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "index/maintenance/finding.h"

#define PASS_PAUSE 2000  /* ms between passes */
#define PATIENCE   60000 /* ms that passes without a move go on, and the grace */

/* One key's move. */
struct moving {
    struct moves *moves;
    struct key key;
    struct record record;
    struct store_reading reading; /* of what the key has after a move that has failed */
    int rc;
    char text[MOVE_TEXT_MAX];
};

static int begin_pass(struct moves *m);

static bool wants(const struct walked_key *key, void *arg)
{
    struct moves *m = arg;
    struct move_options options;

    return m->picks(key, &options, m->arg);
}

static void count_end(struct moves *m, const struct key *key, int rc, const char *text)
{
    struct job *job = m->job;

    if (rc == 0 || rc == STORE_CONFLICT) {
        job_count(job, rc == 0 ? "moved" : "changed", 1);
        m->progressed_at = uv_now(job->objects->loop);
    } else if (rc == UV_EAGAIN) {
        m->waiting++;
    } else if (rc != UV_EALREADY) {
        m->failed++;
        finding_tell(job, "not moved", key, NULL, text);
    }
}

static void moving_end(struct moving *moving)
{
    struct moves *m = moving->moves;

    count_end(m, &moving->key, moving->rc, moving->text);
    free(moving);
    key_walk_ended(&m->walk);
}

static void judge(struct moving *moving, int rc, const struct record *now)
{
    if (rc == UV_ENOENT || (rc == 0 && !record_equal(&moving->record, now)))
        moving->rc = STORE_CONFLICT;
    moving_end(moving);
}

static void looked_up_cb(struct store_reading *reading, int rc, const struct record *record)
{
    judge(reading->data, rc, record);
}

static void moved_cb(void *arg, int rc, const char *text)
{
    struct moving *moving = arg;
    struct record now;

    moving->rc = rc;
    snprintf(moving->text, sizeof(moving->text), "%s", text);
    if (rc == 0) {
        moving_end(moving);
        return;
    }
    moving->reading.data = moving;
    rc = objects_look_up(moving->moves->job->objects, &moving->reading, &moving->key, &now,
                         looked_up_cb);
    if (rc != STORE_LATER)
        judge(moving, rc, &now);
}

/* Picked once more, since what it was picked for may have changed while it waited. */
static int start_move(const struct walked_key *key, void *arg)
{
    struct moves *m = arg;
    struct moving *moving = malloc(sizeof(*moving));
    struct move_options options;
    char text[MOVE_TEXT_MAX] = "out of memory\n";
    int rc = UV_ENOMEM;

    m->picked++;
    if (moving != NULL) {
        *moving = (struct moving){.moves = m, .key = key->key, .record = key->record};
        rc = !m->picks(key, &options, m->arg) ? UV_EALREADY
                                              : move_start(m->job->objects, &key->key, &key->record,
                                                           &options, moved_cb, moving, text);
    }
    if (rc == 0) {
        job_spend(m->job, key->record.size);
        return 0;
    }
    count_end(m, &key->key, rc, text);
    free(moving);
    return rc;
}

/* --- Passes ---------------------------------------------------------------------------------- */

static void closed_cb(uv_handle_t *handle)
{
    struct moves *m = handle->data;

    job_count(m->job, "failed", m->failed + (m->job->is_canceled ? 0 : m->waiting));
    m->ended(m->rc, m->arg);
}

static void end(struct moves *m, int rc)
{
    m->rc = rc;
    uv_close((uv_handle_t *)&m->timer, closed_cb);
}

static void pass_cb(uv_timer_t *timer)
{
    struct moves *m = timer->data;
    int rc = m->job->is_canceled ? 0 : begin_pass(m);

    if (rc < 0 || m->job->is_canceled)
        end(m, rc);
}

/* What has failed in this pass would do so in the next one, too. */
static bool is_worth_another(const struct moves *m)
{
    const struct objects *o = m->job->objects;

    if (m->job->is_canceled || (m->waiting == 0 && !(m->until_none && m->picked > m->failed)))
        return false;
    return uv_now(o->loop) - m->progressed_at < PATIENCE + o->grace;
}

static void walked_cb(int rc, void *arg)
{
    struct moves *m = arg;

    if (rc < 0 || !is_worth_another(m))
        end(m, rc);
    else {
        m->job->phase = "waiting for older copies to go (--grace)";
        uv_timer_start(&m->timer, pass_cb, PASS_PAUSE, 0);
    }
}

/* What failed in an earlier pass is found by this one again. */
static int begin_pass(struct moves *m)
{
    struct job *job = m->job;
    struct store_stats stats;

    store_stats(job->objects->store, &stats);
    job->total = stats.keys + stats.unlinked;
    job->done = 0;
    job->phase = "moving";
    m->passes++;
    m->picked = m->waiting = m->failed = 0;
    m->walk = (struct key_walk){.job = job,
                                .arg = m,
                                .at_once = job->options.jobs,
                                .wants = wants,
                                .start = start_move,
                                .ended = walked_cb};
    return key_walk_start(&m->walk);
}

int moves_start(struct moves *m)
{
    uv_loop_t *loop = m->job->objects->loop;
    int rc = begin_pass(m);

    if (rc < 0)
        return rc;
    m->progressed_at = uv_now(loop);
    uv_timer_init(loop, &m->timer);
    m->timer.data = m;
    return 0;
}

/* A pause between two passes ends at once. */
void moves_cancel(struct moves *m)
{
    if (uv_is_active((uv_handle_t *)&m->timer))
        uv_timer_start(&m->timer, pass_cb, 0, 0);
    else if (!uv_is_closing((uv_handle_t *)&m->timer))
        key_walk_cancel(&m->walk);
}

void moves_text(const struct job *job, int rc, char text[MOVES_TEXT_MAX])
{
    uint64_t moved = job_counted(job, "moved");
    uint64_t failed = job_counted(job, "failed");
    int n;

    if (rc < 0) {
        snprintf(text, MOVES_TEXT_MAX, "the index can't be read: %s", uv_strerror(rc));
        return;
    }
    n = snprintf(text, MOVES_TEXT_MAX, "%" PRIu64 " key%s moved", moved, moved == 1 ? "" : "s");
    if (failed > 0)
        snprintf(text + n, MOVES_TEXT_MAX - (size_t)n, "; %" PRIu64 " could not be moved", failed);
}
