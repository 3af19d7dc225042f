/* Happy path: the copies are checked, and found to be good. Of others the findings are kept until
 * it is known what became of them; with options.repair a move makes new ones of a good one.
 *
 * Failures: the key was changed while its copies were looked at: then it is looked at again, some
 * times. No copy is good: it is told as it is. A copy that can't be asked is away. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/maintenance/finding.h"
#include "index/maintenance/verify_internal.h"

#define TRIES 3

enum verify_key_state {
    KEY_CHECKING,  /* waits for its volumes */
    KEY_QUEUED,    /* for other repairs to end */
    KEY_REPAIRING, /* for its move */
};

struct verify_key {
    struct verify *verify;
    enum verify_key_state state;
    unsigned tries;
    struct inspection inspection;
    STAILQ_ENTRY(verify_key) link;        /* in `running` */
    STAILQ_ENTRY(verify_key) repair_link; /* in `to_repair` */
};

static int check_it(struct verify_key *k, const struct key *key, const struct record *record);

static void key_ended(struct verify_key *k)
{
    struct verify *v = k->verify;

    STAILQ_REMOVE(&v->running, k, verify_key, link);
    free(k);
    verify_ended(v);
}

/* --- What was found -------------------------------------------------------------------------- */

static const char *count_name(enum copy_state state)
{
    static const char *const names[] = {NULL,         "missing", "short",  "rotten",
                                        "unreadable", "away",    "doubted"};

    return names[state];
}

/* One finding a copy that is no good, and one for the key when it has too few places. */
static void tell(struct verify_key *k, const char *outcome)
{
    struct job *job = k->verify->job;
    const struct inspection *inspection = &k->inspection;
    char place[PLACE_TEXT_MAX];

    for (unsigned i = 0; i < inspection->record.n_places; i++) {
        enum copy_state state = inspection->states[i];

        if (state == COPY_GOOD)
            continue;
        job_count(job, count_name(state), 1);
        if (state == COPY_AWAY)
            continue;
        if (!place_text(job->objects->places, &inspection->record.places[i], place))
            strcpy(place, "?");
        finding_tell(job, copy_state_name(state), &inspection->key, place,
                     state == COPY_DOUBTED ? "copies differ, and nothing says which is right"
                                           : outcome);
    }
    if (inspection->record.n_places >= job->objects->copies)
        return;
    job_count(job, "too_few", 1);
    finding_tell(job, "too few copies", &inspection->key, NULL, outcome);
}

/* --- Mending --------------------------------------------------------------------------------- */

static void start_repairs(struct verify *v);

static void repair_ended(struct verify_key *k, int rc, const char *text)
{
    struct verify *v = k->verify;

    v->n_repairs--;
    if (rc == 0 || rc == UV_EALREADY)
        job_count(v->job, "repaired", 1);
    else
        job_count(v->job, "failed", 1);
    tell(k, rc == 0 || rc == UV_EALREADY ? "made anew" : text);
    key_ended(k);
    start_repairs(v);
}

static void moved_cb(void *arg, int rc, const char *text)
{
    repair_ended(arg, rc, text);
}

static void repair(struct verify_key *k)
{
    struct objects *o = k->verify->job->objects;
    struct inspection *inspection = &k->inspection;
    const struct move_options options = {.goal = MOVE_TOP_UP, .lost = inspection_lost(inspection)};
    char text[MOVE_TEXT_MAX];
    int rc;

    k->state = KEY_REPAIRING;
    k->verify->n_repairs++;
    rc = move_start(o, &inspection->key, &inspection->record, &options, moved_cb, k, text);
    if (rc < 0)
        repair_ended(k, rc, text);
    else
        job_spend(k->verify->job, inspection->record.size);
}

static void start_repairs(struct verify *v)
{
    struct verify_key *k;

    while ((k = STAILQ_FIRST(&v->to_repair)) != NULL && v->n_repairs < v->job->options.jobs) {
        STAILQ_REMOVE_HEAD(&v->to_repair, repair_link);
        if (v->job->is_canceled)
            key_ended(k);
        else
            repair(k);
    }
}

/* --- Looking --------------------------------------------------------------------------------- */

/* Whether the key still has the record whose copies were looked at. */
static bool is_current(const struct verify_key *k, struct record *now)
{
    const struct inspection *inspection = &k->inspection;
    unsigned char was[RECORD_MAX];
    unsigned char is[RECORD_MAX];
    size_t n;

    if (objects_look_up(inspection->objects, &inspection->key, now) < 0)
        return false;
    n = record_encode(&inspection->record, was);
    return record_encode(now, is) == n && memcmp(was, is, n) == 0;
}

static void checked(struct verify_key *k)
{
    struct verify *v = k->verify;
    const struct inspection *inspection = &k->inspection;
    bool lacks =
        inspection_lost(inspection) != 0 || inspection->record.n_places < v->job->objects->copies;
    struct record now;

    if (v->job->is_canceled) {
        key_ended(k);
    } else if (inspection_count(inspection, COPY_GOOD) == inspection->record.n_places && !lacks) {
        key_ended(k);
    } else if (!is_current(k, &now)) {
        if (objects_look_up(inspection->objects, &inspection->key, &now) < 0 ||
            ++k->tries == TRIES || check_it(k, &inspection->key, &now) < 0)
            key_ended(k);
    } else if (lacks && v->job->options.repair) {
        k->state = KEY_QUEUED;
        STAILQ_INSERT_TAIL(&v->to_repair, k, repair_link);
        start_repairs(v);
    } else {
        tell(k, NULL);
        key_ended(k);
    }
}

static void checked_cb(struct inspection *inspection)
{
    checked(inspection->data);
}

static int check_it(struct verify_key *k, const struct key *key, const struct record *record)
{
    struct job *job = k->verify->job;
    struct key copy = *key; /* it may be the check's own */

    k->state = KEY_CHECKING;
    k->inspection.data = k;
    if (job->options.deep)
        job_spend(job, record->size * record->n_places);
    return inspection_start(&k->inspection, job->objects, &copy, record, job->options.deep,
                            checked_cb);
}

int verify_key_start(struct verify *v, const struct suspect *suspect)
{
    struct verify_key *k = calloc(1, sizeof(*k));
    int rc;

    if (k == NULL)
        return UV_ENOMEM;
    k->verify = v;
    rc = check_it(k, &suspect->key, &suspect->record);
    if (rc == UV_EAGAIN) /* all of them are away */
        tell(k, NULL);
    if (rc < 0)
        free(k);
    else
        STAILQ_INSERT_TAIL(&v->running, k, link);
    return rc == UV_EAGAIN ? UV_EAGAIN : rc;
}

void verify_keys_cancel(struct verify *v)
{
    struct verify_key *k;

    STAILQ_FOREACH(k, &v->running, link)
    {
        if (k->state == KEY_CHECKING)
            inspection_cancel(&k->inspection);
    }
    start_repairs(v);
}
