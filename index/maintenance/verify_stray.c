/* A blob that no key seems to name: is it there still, and is it still so? Then it is told, and
 * with options.remove_orphans it becomes an orphan in the store, which the reclaimer removes. One
 * that is one more copy of what its key has now stays as long as not all copies at the key's places
 * are good, which are read for that: it may be the last one. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/clock.h"
#include "index/maintenance/finding.h"
#include "index/maintenance/verify_internal.h"
#include "index/objects/inspection.h"
#include "index/objects/orphans.h"
#include "index/objects/reclaim.h"

#define TRIES 100 /* commits: a blob has some copies at most, and each may come first */

struct verify_stray {
    struct verify *verify;
    struct suspect suspect;
    struct volume *volume;
    unsigned tries;
    struct transfer head;
    struct inspection inspection; /* of the key's own copies */
    struct store_commit commit;
};

static void stray_ended(struct verify_stray *s)
{
    struct verify *v = s->verify;

    free(s);
    verify_ended(v);
}

static void tell(struct verify_stray *s, const char *outcome)
{
    const struct suspect *suspect = &s->suspect;
    struct job *job = s->verify->job;
    uint64_t now = clock_now_ms();
    uint64_t age = now > suspect->time ? (now - suspect->time) / 1000 : 0;
    char place[PLACE_TEXT_MAX] = "?";
    char detail[128];

    job_count(job, "strays", 1);
    job_count(job, "stray_bytes", suspect->size);
    place_text(job->objects->places, &suspect->place, place);
    snprintf(detail, sizeof(detail), "%" PRIu64 " bytes, %" PRIu64 " s old%s%s", suspect->size, age,
             *outcome != '\0' ? ", " : "", outcome);
    finding_tell(job, "no key names it", &suspect->key, place, detail);
}

static void decide(struct verify_stray *s);

static void committed_cb(struct store_commit *commit, int rc)
{
    struct verify_stray *s = commit->data;

    if (rc == STORE_CONFLICT && ++s->tries < TRIES) { /* another copy of it was just told of */
        decide(s);
        return;
    }
    if (rc == 0) {
        job_count(s->verify->job, "removed", 1);
        reclaimer_add(s->verify->job->objects->reclaimer, &s->suspect.key, s->suspect.generation);
    } else {
        job_count(s->verify->job, "failed", 1);
    }
    tell(s, rc == 0 ? "will be removed" : "the index can't be changed");
    stray_ended(s);
}

/* Makes it an orphan, if the store still says that nobody names it there. */
static void remove_it(struct verify_stray *s)
{
    const struct suspect *suspect = &s->suspect;
    struct objects *o = s->verify->job->objects;
    const struct record blob = {.generation = suspect->generation, .time = suspect->time};
    struct orphan_change change;
    struct store_change commit;
    int rc = orphan_change_init(o, &suspect->key, &blob, &change);

    s->commit.data = s;
    if (rc == 0)
        rc = orphan_change_add(o, &change, &suspect->place, 1, clock_now_ms() + o->grace);
    commit = orphan_change_of(&suspect->key, suspect->generation, &change);
    if (rc == 0)
        rc = store_commit(o->store, &s->commit, &commit, 1, committed_cb);
    if (rc < 0)
        committed_cb(&s->commit, rc);
}

/* Whether nobody names the blob there. *record is what its key has, without places for nothing. */
static bool is_unnamed(const struct verify_stray *s, struct record *record)
{
    const struct suspect *suspect = &s->suspect;
    const struct objects *o = s->verify->job->objects;
    struct orphan orphan;
    int rc = objects_look_up(o, &suspect->key, record);

    if (rc == UV_ENOENT)
        record->n_places = 0;
    else if (rc < 0 || (record->generation == suspect->generation &&
                        places_have(o->places, record->places, record->n_places, &suspect->place)))
        return false;
    rc = store_get_orphan(o->store, suspect->key.bytes, suspect->key.len, suspect->generation,
                          &orphan);
    return rc == UV_ENOENT ||
           (rc == 0 && !places_have(o->places, orphan.places, orphan.n_places, &suspect->place));
}

static void inspected_cb(struct inspection *inspection)
{
    struct verify_stray *s = inspection->data;
    unsigned n_good = inspection_count(inspection, COPY_GOOD);
    struct record now;

    if (!is_unnamed(s, &now)) { /* a move has made it a copy meanwhile */
        stray_ended(s);
        return;
    }
    if (n_good == inspection->record.n_places && n_good >= inspection->objects->copies) {
        remove_it(s);
        return;
    }
    tell(s, "stays: not all copies of its key are good");
    stray_ended(s);
}

/* It is there: what is to become of it? */
static void decide(struct verify_stray *s)
{
    struct job *job = s->verify->job;
    struct record record;
    int rc;

    if (!is_unnamed(s, &record)) {
        stray_ended(s);
    } else if (!job->options.remove_orphans) {
        tell(s, "");
        stray_ended(s);
    } else if (record.n_places == 0 || record.generation != s->suspect.generation) {
        remove_it(s);
    } else {
        s->inspection.data = s;
        job_spend(job, record.size * record.n_places);
        rc = inspection_start(&s->inspection, job->objects, &s->suspect.key, &record, true,
                              inspected_cb);
        if (rc == 0)
            return;
        tell(s, "stays: not all copies of its key can be asked for");
        stray_ended(s);
    }
}

static void looked_cb(struct transfer *transfer, int rc, int status)
{
    struct verify_stray *s = transfer->data;

    volume_report(s->volume, rc, status);
    if (rc == 0 && status == 200 && volume_has_answered(s->volume, transfer)) {
        decide(s);
        return;
    }
    if (rc < 0 || status != 404)
        job_count(s->verify->job, "away", 1);
    stray_ended(s);
}

int verify_stray_start(struct verify *v, const struct suspect *suspect)
{
    const struct objects *o = v->job->objects;
    struct verify_stray *s = calloc(1, sizeof(*s));
    char path[PLACEMENT_PATH_MAX];
    char url[PLACEMENT_URL_MAX];
    int rc;

    if (s == NULL)
        return UV_ENOMEM;
    *s = (struct verify_stray){
        .verify = v, .suspect = *suspect, .volume = place_live(o->places, &suspect->place)};
    if (s->volume == NULL) {
        free(s);
        return UV_EAGAIN;
    }
    placement_path(suspect->key.bytes, suspect->key.len, suspect->generation, path);
    placement_url(s->volume->name, &suspect->place, path, url);
    s->head.data = s;
    s->head.volume = s->volume;
    rc = transfer_head(o->transfers, &s->head, url, looked_cb);
    if (rc < 0)
        free(s);
    return rc;
}
