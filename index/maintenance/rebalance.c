#include "index/maintenance/rebalance.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "index/maintenance/moves.h"

struct rebalance {
    struct job *job;
    struct moves moves;
};

static bool picks(const struct walked_key *key, struct move_options *options, void *arg)
{
    struct rebalance *r = arg;
    struct job *job = r->job;

    *options = (struct move_options){.goal = MOVE_TO_BEST, .yields = true};
    if (places_are_best(job->objects->places, &key->key, &key->record))
        return false;
    if (!job->options.dry_run)
        return true;
    job_count(job, "to_move", 1);
    job_count(job, "bytes_to_move", key->record.size);
    return false;
}

static void moved_cb(int rc, void *arg)
{
    struct rebalance *r = arg;
    struct job *job = r->job;
    uint64_t to_move = job_counted(job, "to_move");
    char text[JOB_TEXT_MAX];

    if (rc == 0 && job->options.dry_run)
        snprintf(text, sizeof(text), "%" PRIu64 " key%s, of %" PRIu64 " bytes, would be moved",
                 to_move, to_move == 1 ? "" : "s", job_counted(job, "bytes_to_move"));
    else
        moves_text(job, rc, text);
    job->is_clean = job_counted(job, "failed") == 0;
    free(r);
    job_end(job, rc, text);
}

static int start(struct job *job)
{
    struct rebalance *r = calloc(1, sizeof(*r));
    int rc = UV_ENOMEM;

    if (r != NULL) {
        *r = (struct rebalance){.job = job};
        r->moves = (struct moves){.job = job, .arg = r, .picks = picks, .ended = moved_cb};
        rc = moves_start(&r->moves);
    }
    if (rc < 0) {
        free(r);
        return job_refuse(job, rc, "out of memory");
    }
    job->data = r;
    return 0;
}

static void cancel(struct job *job)
{
    struct rebalance *r = job->data;

    moves_cancel(&r->moves);
}

static bool only_looks(const struct job_options *options)
{
    return options->dry_run;
}

const struct job_type rebalance_type = {.name = "rebalance",
                                        .noun = "keys",
                                        .only_looks = only_looks,
                                        .start = start,
                                        .cancel = cancel};
