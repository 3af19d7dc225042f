/* A blob that no key seems to name: is it there still, and is it still so? Then it is told, and
 * with options.remove_orphans it becomes an orphan in the store, which the reclaimer removes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/clock.h"
#include "index/maintenance/finding.h"
#include "index/maintenance/verify_internal.h"
#include "index/objects/orphans.h"
#include "index/objects/reclaim.h"

struct verify_stray {
    struct verify *verify;
    struct suspect suspect;
    struct volume *volume;
    struct transfer head;
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

static void committed_cb(struct store_commit *commit, int rc)
{
    struct verify_stray *s = commit->data;

    if (rc == STORE_CONFLICT) { /* somebody has just said something of it */
        stray_ended(s);
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

/* Of the store, now: whether nobody names the blob there. *change then makes it an orphan. */
static bool is_unnamed(const struct verify_stray *s, struct orphan_change *change)
{
    const struct suspect *suspect = &s->suspect;
    const struct objects *o = s->verify->job->objects;
    const struct record blob = {.generation = suspect->generation, .time = suspect->time};
    struct record record;
    int rc = objects_look_up(o, &suspect->key, &record);

    if (rc == 0 && record.generation == suspect->generation &&
        places_have(o->places, record.places, record.n_places, &suspect->place))
        return false;
    if (rc < 0 && rc != UV_ENOENT)
        return false;
    return orphan_change_init(o, &suspect->key, &blob, change) == 0 &&
           !places_have(o->places, change->was.places, change->was.n_places, &suspect->place);
}

static void looked_cb(struct transfer *transfer, int rc, int status)
{
    struct verify_stray *s = transfer->data;
    struct job *job = s->verify->job;
    struct objects *o = job->objects;
    struct orphan_change change;
    struct store_change commit;

    volume_report(s->volume, rc, status);
    if (rc < 0 || status != 200 || !volume_has_answered(s->volume, transfer) ||
        !is_unnamed(s, &change)) {
        stray_ended(s);
        return;
    }
    if (!job->options.remove_orphans) {
        tell(s, "");
        stray_ended(s);
        return;
    }
    s->commit.data = s;
    rc = orphan_change_add(o, &change, &s->suspect.place, 1, clock_now_ms() + o->grace);
    commit = orphan_change_of(&s->suspect.key, s->suspect.generation, &change);
    if (rc == 0)
        rc = store_commit(o->store, &s->commit, &commit, 1, committed_cb);
    if (rc < 0)
        committed_cb(&s->commit, rc);
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
