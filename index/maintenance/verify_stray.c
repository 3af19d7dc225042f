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
    struct store_reading reading;
    /* What the store says of it, once it was asked: */
    void (*seen)(struct verify_stray *s, bool is_unnamed);
    struct record record; /* of the key; without places: it has none */
    struct orphan orphan; /* of the blob's generation, likewise */
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
    int rc;

    s->commit.data = s;
    orphan_change_init(&change, &s->orphan, &blob);
    rc = orphan_change_add(o, &change, &suspect->place, 1,
                           clock_now_ms() + orphan_grace(o, &s->orphan));
    commit = orphan_change_of(&suspect->key, suspect->generation, &change);
    if (rc == 0)
        rc = store_commit(o->store, &s->commit, &commit, 1, committed_cb);
    if (rc < 0)
        committed_cb(&s->commit, rc);
}

static void seen_key(struct verify_stray *s, int rc)
{
    const struct suspect *suspect = &s->suspect;
    const struct places *places = s->verify->job->objects->places;
    const struct record *record = &s->record;

    if (rc == UV_ENOENT)
        s->record.n_places = 0;
    s->seen(s, rc == UV_ENOENT || (rc == 0 && !(record->generation == suspect->generation &&
                                                places_have(places, record->places,
                                                            record->n_places, &suspect->place))));
}

static void got_cb(struct store_reading *reading, int rc, const struct record *record)
{
    struct verify_stray *s = reading->data;

    if (rc == 0)
        record_copy(&s->record, record);
    seen_key(s, rc);
}

static void seen_orphan(struct verify_stray *s, int rc)
{
    struct objects *o = s->verify->job->objects;
    const struct place *place = &s->suspect.place;

    if (rc == UV_ENOENT) {
        s->orphan.n_places = 0;
    } else if (rc < 0 || places_have(o->places, s->orphan.places, s->orphan.n_places, place)) {
        s->seen(s, false);
        return;
    }
    rc = objects_look_up(o, &s->reading, &s->suspect.key, &s->record, got_cb);
    if (rc != STORE_LATER)
        seen_key(s, rc);
}

static void got_orphan_cb(struct store_reading *reading, int rc, const struct orphan *orphan)
{
    struct verify_stray *s = reading->data;

    if (rc == 0)
        s->orphan = *orphan;
    seen_orphan(s, rc);
}

/* Asks the store whether somebody names the blob there, and goes on with `seen`. The orphan is
 * looked for first: a blob that becomes a key's value meanwhile is then found at the key. One that
 * becomes an orphan meanwhile is found by the commit, which expects that there is none. */
static void look(struct verify_stray *s, void (*seen)(struct verify_stray *s, bool is_unnamed))
{
    const struct suspect *suspect = &s->suspect;
    int rc;

    s->seen = seen;
    s->reading.data = s;
    rc = store_get_orphan(s->verify->job->objects->store, &s->reading, suspect->key.bytes,
                          suspect->key.len, suspect->generation, &s->orphan, got_orphan_cb);
    if (rc != STORE_LATER)
        seen_orphan(s, rc);
}

/* A move may have made it a copy meanwhile. */
static void seen_again(struct verify_stray *s, bool is_unnamed)
{
    const struct inspection *inspection = &s->inspection;
    unsigned n_good = inspection_count(inspection, COPY_GOOD);

    if (!is_unnamed) {
        stray_ended(s);
    } else if (n_good == inspection->record.n_places && n_good >= inspection->objects->copies) {
        remove_it(s);
    } else {
        tell(s, "stays: not all copies of its key are good");
        stray_ended(s);
    }
}

static void inspected_cb(struct inspection *inspection)
{
    look(inspection->data, seen_again);
}

static void inspect(struct verify_stray *s)
{
    struct job *job = s->verify->job;

    s->inspection.data = s;
    job_spend(job, s->record.size * s->record.n_places);
    if (inspection_start(&s->inspection, job->objects, &s->suspect.key, &s->record, true,
                         inspected_cb) == 0)
        return;
    tell(s, "stays: not all copies of its key can be asked for");
    stray_ended(s);
}

static void seen(struct verify_stray *s, bool is_unnamed)
{
    if (!is_unnamed) {
        stray_ended(s);
    } else if (!s->verify->job->options.remove_orphans) {
        tell(s, "");
        stray_ended(s);
    } else if (s->record.n_places == 0 || s->record.generation != s->suspect.generation) {
        remove_it(s);
    } else {
        inspect(s);
    }
}

/* It is there: what is to become of it? */
static void decide(struct verify_stray *s)
{
    look(s, seen);
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

static int ask_volume(struct verify_stray *s)
{
    const struct suspect *suspect = &s->suspect;
    char path[PLACEMENT_PATH_MAX];
    char url[PLACEMENT_URL_MAX];

    placement_path(suspect->key.bytes, suspect->key.len, suspect->generation, path);
    placement_url(s->volume->name, &suspect->place, path, url);
    s->head.data = s;
    s->head.volume = s->volume;
    return transfer_head(s->verify->job->objects->transfers, &s->head, url, looked_cb);
}

/* What the store knows as an orphan there needn't be asked for: every PUT has its blob's name in
 * the store before it writes a byte. 0, or negative: it is none, or that isn't known. */
static int is_stray(struct verify_stray *s, int rc, const struct orphan *orphan)
{
    const struct places *places = s->verify->job->objects->places;

    if (rc == UV_ENOENT ||
        (rc == 0 && !places_have(places, orphan->places, orphan->n_places, &s->suspect.place)))
        return 0;
    return UV_EAGAIN;
}

static void got_first_cb(struct store_reading *reading, int rc, const struct orphan *orphan)
{
    struct verify_stray *s = reading->data;

    if (is_stray(s, rc, orphan) < 0 || ask_volume(s) < 0)
        stray_ended(s);
}

int verify_stray_start(struct verify *v, const struct suspect *suspect)
{
    const struct objects *o = v->job->objects;
    struct verify_stray *s = calloc(1, sizeof(*s));
    int rc = UV_EAGAIN;

    if (s == NULL)
        return UV_ENOMEM;
    s->verify = v;
    s->suspect = *suspect;
    s->volume = place_live(o->places, &suspect->place);
    s->reading.data = s;
    if (s->volume != NULL)
        rc = store_get_orphan(o->store, &s->reading, s->suspect.key.bytes, s->suspect.key.len,
                              s->suspect.generation, &s->orphan, got_first_cb);
    if (rc == STORE_LATER)
        return 0;
    if (s->volume != NULL)
        rc = is_stray(s, rc, &s->orphan);
    if (rc == 0)
        rc = ask_volume(s);
    if (rc < 0)
        free(s);
    return rc;
}
