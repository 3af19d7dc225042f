/* Happy path: a walk finds the keys whose places aren't the best, and a move brings each there.
 *
 * Failures: a move that fails leaves its key as it was; it is counted, and the walk goes on. A key
 * that a client changes meanwhile is where it is to be, or the next rebalance finds it. */
#include "index/maintenance/rebalance.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "index/maintenance/finding.h"
#include "index/maintenance/key_walk.h"
#include "index/objects/move.h"

struct rebalance {
    struct job *job;
    struct key_walk walk;
};

/* One key's move. */
struct moving {
    struct rebalance *rebalance;
    struct key key;
    uint64_t size;
};

static bool wants(const struct key *key, const struct record *record, void *arg)
{
    struct rebalance *r = arg;
    struct job *job = r->job;

    if (places_are_best(job->objects->places, key, record))
        return false;
    if (!job->options.dry_run)
        return true;
    job_count(job, "to_move", 1);
    job_count(job, "bytes_to_move", record->size);
    return false;
}

static void count_end(struct job *job, const struct key *key, int rc, const char *text)
{
    if (rc == 0) {
        job_count(job, "moved", 1);
    } else if (rc == STORE_CONFLICT) {
        job_count(job, "changed", 1);
    } else if (rc != UV_EALREADY) {
        job_count(job, "failed", 1);
        finding_tell(job, "not moved", key, NULL, text);
    }
}

static void moved_cb(void *arg, int rc, const char *text)
{
    struct moving *m = arg;
    struct rebalance *r = m->rebalance;

    count_end(r->job, &m->key, rc, text);
    free(m);
    key_walk_ended(&r->walk);
}

static int start_move(const struct walked_key *wanted, void *arg)
{
    struct rebalance *r = arg;
    struct moving *m = malloc(sizeof(*m));
    char text[MOVE_TEXT_MAX] = "out of memory\n";
    int rc = UV_ENOMEM;

    if (m != NULL) {
        *m = (struct moving){.rebalance = r, .key = wanted->key, .size = wanted->record.size};
        rc = move_start(r->job->objects, &wanted->key, &wanted->record, &move_to_best, moved_cb, m,
                        text);
    }
    if (rc == 0) {
        job_spend(r->job, wanted->record.size);
        return 0;
    }
    count_end(r->job, &wanted->key, rc, text);
    free(m);
    return rc;
}

static void walked_cb(int rc, void *arg)
{
    struct rebalance *r = arg;
    struct job *job = r->job;
    uint64_t failed = job_counted(job, "failed");
    char text[JOB_TEXT_MAX];

    if (rc < 0)
        snprintf(text, sizeof(text), "the index can't be read: %s", uv_strerror(rc));
    else if (job->options.dry_run)
        snprintf(text, sizeof(text), "%" PRIu64 " keys would be moved, %" PRIu64 " bytes each copy",
                 job_counted(job, "to_move"), job_counted(job, "bytes_to_move"));
    else if (failed > 0)
        snprintf(text, sizeof(text), "%" PRIu64 " keys moved; %" PRIu64 " could not be moved",
                 job_counted(job, "moved"), failed);
    else
        snprintf(text, sizeof(text), "%" PRIu64 " keys moved", job_counted(job, "moved"));
    job->is_clean = failed == 0;
    free(r);
    job_end(job, rc, text);
}

static int start(struct job *job)
{
    struct rebalance *r = calloc(1, sizeof(*r));
    struct store_stats stats;
    int rc = UV_ENOMEM;

    if (r != NULL) {
        *r = (struct rebalance){.job = job};
        r->walk = (struct key_walk){.job = job,
                                    .arg = r,
                                    .at_once = job->options.jobs,
                                    .wants = wants,
                                    .start = start_move,
                                    .ended = walked_cb};
        rc = key_walk_start(&r->walk);
    }
    if (rc < 0) {
        free(r);
        snprintf(job->text, sizeof(job->text), "out of memory");
        return rc;
    }
    store_stats(job->objects->store, &stats);
    job->total = stats.keys + stats.unlinked;
    job->phase = job->options.dry_run ? "counting" : "moving";
    job->data = r;
    return 0;
}

static void cancel(struct job *job)
{
    struct rebalance *r = job->data;

    key_walk_cancel(&r->walk);
}

const struct job_type rebalance_type = {
    .name = "rebalance", .noun = "keys", .start = start, .cancel = cancel};
