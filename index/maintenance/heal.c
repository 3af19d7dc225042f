#include "index/maintenance/heal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "index/maintenance/healer.h"
#include "index/maintenance/moves.h"

struct heal {
    struct job *job;
    struct moves moves;
    uint64_t unreachable; /* in this pass, */
    uint64_t pass;        /* the number of which is this */
};

/* A key of which nothing can be read is left alone: to try would be in vain for each of them. */
static bool picks(const struct walked_key *key, struct move_options *options, void *arg)
{
    struct heal *h = arg;
    const struct objects *o = h->job->objects;
    const struct record *record = &key->record;
    bool readable = false;

    if (h->pass != h->moves.passes)
        h->unreachable = 0;
    h->pass = h->moves.passes;
    *options = (struct move_options){.goal = MOVE_TOP_UP, .yields = true};
    for (unsigned i = 0; i < record->n_places; i++) {
        if (healer_is_lost(o->healer, &record->places[i]))
            options->lost |= 1U << i;
        else
            readable = readable || place_live(o->places, &record->places[i]) != NULL;
    }
    if (options->lost == 0 && record->n_places >= o->copies)
        return false;
    h->unreachable += !readable;
    return readable;
}

static void moved_cb(int rc, void *arg)
{
    struct heal *h = arg;
    struct job *job = h->job;
    char text[JOB_TEXT_MAX];
    int n;

    moves_text(job, rc, text);
    n = (int)strlen(text);
    if (rc == 0 && h->unreachable > 0)
        snprintf(text + n, sizeof(text) - (size_t)n, "; %" PRIu64 " can't be read anywhere now",
                 h->unreachable);
    job_count(job, "unreachable", h->unreachable);
    job->is_clean = job_counted(job, "failed") + h->unreachable == 0;
    free(h);
    job_end(job, rc, text);
}

/* Of a key that lacks several copies a move makes as many as there are volumes for: another pass
 * finds what it lacks still. */
static int start(struct job *job)
{
    struct heal *h = calloc(1, sizeof(*h));
    int rc = UV_ENOMEM;

    if (h != NULL) {
        *h = (struct heal){.job = job};
        h->moves = (struct moves){
            .job = job, .arg = h, .picks = picks, .ended = moved_cb, .until_none = true};
        rc = moves_start(&h->moves);
    }
    if (rc < 0) {
        free(h);
        return job_refuse(job, rc, "out of memory");
    }
    job->data = h;
    return 0;
}

static void cancel(struct job *job)
{
    struct heal *h = job->data;

    moves_cancel(&h->moves);
}

const struct job_type heal_type = {.name = "heal",
                                   .noun = "keys",
                                   .counts_copies = true,
                                   .is_own = true,
                                   .start = start,
                                   .cancel = cancel};
