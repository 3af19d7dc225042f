/* Happy path: the copies are checked, and found to be good. Of others the findings are kept until
 * it is known what became of them; with options.repair a move makes new ones of a good one.
 *
 * Failures: the key was changed while its copies were looked at: then it is looked at again, some
 * times. No copy is good, or which one is can't be known: it is told as it is. A copy that can't be
 * asked is away. */
#include "index/maintenance/key_doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/maintenance/finding.h"
#include "index/objects/inspection.h"
#include "index/objects/move.h"

#define TRIES 3

enum key_visit_state {
    KEY_CHECKING,  /* waits for its volumes */
    KEY_LOOKING,   /* for the store, which is to say what the key has now */
    KEY_QUEUED,    /* for other repairs to end */
    KEY_REPAIRING, /* for its move */
};

struct key_visit {
    struct key_doctor *doctor;
    enum key_visit_state state;
    unsigned tries;
    bool deep; /* the copies are read */
    struct inspection inspection;
    struct store_reading reading;
    void (*seen)(struct key_visit *k, int rc, const struct record *now);
    char text[MOVE_TEXT_MAX];            /* why a repair has failed */
    LIST_ENTRY(key_visit) link;          /* in `running` */
    STAILQ_ENTRY(key_visit) repair_link; /* in `to_repair` */
};

static int check_it(struct key_visit *k, const struct key *key, const struct record *record);
static void look_again(struct key_visit *k, int rc, const struct record *now);

static void key_ended(struct key_visit *k)
{
    struct key_doctor *d = k->doctor;

    LIST_REMOVE(k, link);
    free(k);
    d->ended(d->arg);
}

/* --- What was found -------------------------------------------------------------------------- */

static const char *count_name(enum copy_state state)
{
    static const char *const names[] = {NULL,         "missing", "short",  "rotten",
                                        "unreadable", "away",    "doubted"};

    return names[state];
}

/* One finding a copy that is no good, and one for the key when it has too few places. */
static void tell(struct key_visit *k, const char *outcome)
{
    struct job *job = k->doctor->job;
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

static void start_repairs(struct key_doctor *d);

static void looked_up_cb(struct store_reading *reading, int rc, const struct record *record)
{
    struct key_visit *k = reading->data;

    k->seen(k, rc, record);
}

/* Asks what the key has now, and goes on with `seen`. */
static void look(struct key_visit *k,
                 void (*seen)(struct key_visit *k, int rc, const struct record *now))
{
    struct record now;
    int rc;

    k->state = KEY_LOOKING;
    k->seen = seen;
    k->reading.data = k;
    rc =
        objects_look_up(k->inspection.objects, &k->reading, &k->inspection.key, &now, looked_up_cb);
    if (rc != STORE_LATER)
        seen(k, rc, &now);
}

static bool is_current(const struct key_visit *k, int rc, const struct record *now)
{
    return rc == 0 && record_equal(&k->inspection.record, now);
}

static void end_repair(struct key_visit *k, bool is_made, const char *outcome)
{
    job_count(k->doctor->job, is_made ? "repaired" : "failed", 1);
    tell(k, outcome);
    key_ended(k);
}

static void seen_after_repair(struct key_visit *k, int rc, const struct record *now)
{
    if (is_current(k, rc, now))
        end_repair(k, false, k->text);
    else
        look_again(k, rc, now);
}

/* A client may have changed the key meanwhile: then nothing is told of what it was. So has a move
 * that could make only some of the copies: what the key lacks still is looked at. */
static void repair_ended(struct key_visit *k, int rc, const char *text)
{
    struct key_doctor *d = k->doctor;
    bool is_made = (rc == 0 && *text == '\0') || rc == UV_EALREADY;

    d->n_repairs--;
    if (is_made) {
        end_repair(k, true, "made anew");
    } else {
        snprintf(k->text, sizeof(k->text), "%s", text);
        look(k, seen_after_repair);
    }
    start_repairs(d);
}

/* Nothing to make copies of is there: it isn't even tried. */
static void give_up(struct key_visit *k)
{
    job_count(k->doctor->job, "failed", 1);
    tell(k, "there is no good copy to make it of");
    key_ended(k);
}

static void moved_cb(void *arg, int rc, const char *text)
{
    repair_ended(arg, rc, text);
}

static void repair(struct key_visit *k)
{
    struct objects *o = k->doctor->job->objects;
    struct inspection *inspection = &k->inspection;
    const struct move_options options = {
        .goal = MOVE_TOP_UP, .lost = inspection_lost(inspection), .yields = true};
    char text[MOVE_TEXT_MAX];
    int rc;

    k->state = KEY_REPAIRING;
    k->doctor->n_repairs++;
    rc = move_start(o, &inspection->key, &inspection->record, &options, moved_cb, k, text);
    if (rc < 0)
        repair_ended(k, rc, text);
    else
        job_spend(k->doctor->job, inspection->record.size);
}

static void start_repairs(struct key_doctor *d)
{
    struct key_visit *k;

    while ((k = STAILQ_FIRST(&d->to_repair)) != NULL && d->n_repairs < d->job->options.jobs) {
        STAILQ_REMOVE_HEAD(&d->to_repair, repair_link);
        if (d->job->is_canceled)
            key_ended(k);
        else
            repair(k);
    }
}

/* --- Looking --------------------------------------------------------------------------------- */

/* Looks at what the key has now; not for ever where clients go on to change it. */
static void look_again(struct key_visit *k, int rc, const struct record *now)
{
    struct job *job = k->doctor->job;

    if (rc < 0 && rc != UV_ENOENT) { /* nothing is known of it: it isn't done */
        job_count(job, "failed", 1);
        tell(k, "the index can't be read");
        key_ended(k);
        return;
    }
    if (++k->tries >= TRIES || job->is_canceled)
        rc = UV_ENOENT;
    if (rc == 0)
        rc = check_it(k, &k->inspection.key, now);
    if (rc == 0)
        return;
    if (rc == UV_EAGAIN) /* all of them are away by now */
        tell(k, NULL);
    key_ended(k);
}

/* Without an MD5, copies have to be read and compared before one of them is copied. */
static bool has_to_read(const struct key_visit *k)
{
    return !k->deep && !(k->inspection.record.flags & RECORD_MD5) &&
           inspection_count(&k->inspection, COPY_GOOD) > 1;
}

/* Makes copies anew, if there is what to make them of. */
static void mend(struct key_visit *k)
{
    struct key_doctor *d = k->doctor;

    if (inspection_count(&k->inspection, COPY_GOOD) == 0) {
        give_up(k);
    } else if (has_to_read(k)) {
        k->deep = true;
        look(k, look_again);
    } else {
        k->state = KEY_QUEUED;
        STAILQ_INSERT_TAIL(&d->to_repair, k, repair_link);
        start_repairs(d);
    }
}

static bool lacks(const struct key_visit *k)
{
    const struct inspection *inspection = &k->inspection;

    return inspection_lost(inspection) != 0 ||
           inspection->record.n_places < k->doctor->job->objects->copies;
}

/* Not all is good: is the key still what was looked at? */
static void seen_bad(struct key_visit *k, int rc, const struct record *now)
{
    const struct job *job = k->doctor->job;

    if (!is_current(k, rc, now)) {
        look_again(k, rc, now);
    } else if (lacks(k) && job->options.repair && !job->is_canceled) {
        mend(k);
    } else {
        tell(k, NULL);
        key_ended(k);
    }
}

static void checked(struct key_visit *k)
{
    const struct inspection *inspection = &k->inspection;

    if (k->doctor->job->is_canceled ||
        (inspection_count(inspection, COPY_GOOD) == inspection->record.n_places && !lacks(k)))
        key_ended(k);
    else
        look(k, seen_bad);
}

static void checked_cb(struct inspection *inspection)
{
    checked(inspection->data);
}

static int check_it(struct key_visit *k, const struct key *key, const struct record *record)
{
    struct job *job = k->doctor->job;
    struct key copy = *key; /* it may be the check's own */

    k->state = KEY_CHECKING;
    k->inspection.data = k;
    if (k->deep)
        job_spend(job, record->size * record->n_places);
    return inspection_start(&k->inspection, job->objects, &copy, record, k->deep, checked_cb);
}

void key_doctor_init(struct key_doctor *d, struct job *job, void (*ended)(void *arg), void *arg)
{
    *d = (struct key_doctor){.job = job, .arg = arg, .ended = ended};
    LIST_INIT(&d->running);
    STAILQ_INIT(&d->to_repair);
}

int key_doctor_visit(struct key_doctor *d, const struct key *key, const struct record *record)
{
    struct key_visit *k = calloc(1, sizeof(*k));
    int rc;

    if (k == NULL)
        return UV_ENOMEM;
    k->doctor = d;
    k->deep = d->job->options.deep;
    rc = check_it(k, key, record);
    if (rc == UV_EAGAIN) /* all copies are away */
        tell(k, NULL);
    if (rc < 0)
        free(k);
    else
        LIST_INSERT_HEAD(&d->running, k, link);
    return rc;
}

void key_doctor_cancel(struct key_doctor *d)
{
    for (struct key_visit *k = LIST_FIRST(&d->running); k != NULL; k = LIST_NEXT(k, link)) {
        if (k->state == KEY_CHECKING)
            inspection_cancel(&k->inspection);
    }
    start_repairs(d);
}
