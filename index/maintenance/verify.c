/* Happy path: the volumes are listed; what they list is compared with what the index says, a slice
 * of the loop's time after the other, and what may be wrong is looked at by operations of its own;
 * when all was seen and they have ended, so has the job.
 *
 * Failures: a volume that can't be listed is told, and its copies are asked for one by one. A store
 * that is away is waited for. One that can't be read, or a disk without room for the list, ends the
 * job. */
#include "index/maintenance/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/maintenance/verify_internal.h"

#define LOOKS_AT_ONCE 64   /* operations, */
#define READS_AT_ONCE 4096 /* or in a deep verify, whose volumes take many files at once */
#define FILES_FEW     100  /* that may all go */
#define TICK          200  /* ms, while volumes are listed */
#define AWAY_PAUSE    1000 /* ms, between tries to read a store that is away */

static void turn_cb(uv_timer_t *timer);

static void again_in(struct verify *v, uint64_t ms)
{
    uv_timer_start(&v->timer, turn_cb, ms, 0);
}

/* --- The end --------------------------------------------------------------------------------- */

static uint64_t count_bad(const struct job *job)
{
    return job_counted(job, "missing") + job_counted(job, "short") + job_counted(job, "rotten") +
           job_counted(job, "unreadable") + job_counted(job, "doubted");
}

/* "2 copies are bad, 1 key repaired, 3 blobs without a key" */
static void write_text(const struct job *job, char *text, size_t size)
{
    const struct {
        uint64_t n;
        const char *one;
        const char *many;
    } parts[] = {
        {count_bad(job), "copy is bad", "copies are bad"},
        {job_counted(job, "too_few"), "key has too few copies", "keys have too few copies"},
        {job_counted(job, "away"), "copy is on a volume that is away",
         "copies are on volumes that are away (`mkv forget` gives up one that is gone)"},
        {job_counted(job, "repaired"), "key repaired", "keys repaired"},
        {job_counted(job, "failed"), "could not be mended now", "could not be mended now"},
        {job_counted(job, "strays"), "blob without a key", "blobs without a key"},
        {job_counted(job, "removed"), "of them will be removed", "of them will be removed"},
        {job_counted(job, "unlisted"), "volume can't be listed", "volumes can't be listed"},
    };
    int n =
        snprintf(text, size, "%" PRIu64 " key%s verified", job->done, job->done == 1 ? "" : "s");

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i].n > 0)
            n += snprintf(text + n, size - (size_t)n, ", %" PRIu64 " %s", parts[i].n,
                          parts[i].n == 1 ? parts[i].one : parts[i].many);
    }
    if (!job->is_canceled && count_bad(job) + job_counted(job, "too_few") +
                                     job_counted(job, "away") + job_counted(job, "strays") +
                                     job_counted(job, "unlisted") ==
                                 0)
        snprintf(text + n, size - (size_t)n, ", all is well");
}

static bool is_clean(const struct job *job)
{
    uint64_t left = job_counted(job, "doubted") + job_counted(job, "away") +
                    job_counted(job, "failed") + job_counted(job, "strays") -
                    job_counted(job, "removed");

    if (!job->options.repair)
        left += count_bad(job) + job_counted(job, "too_few");
    return left == 0;
}

/* Files that the index knows of. */
static uint64_t count_known(const struct verify *v)
{
    const struct objects *o = v->job->objects;
    struct store_stats stats;

    store_stats(o->store, &stats);
    return (stats.keys + stats.unlinked + stats.orphans) * o->copies;
}

static void closed_cb(uv_handle_t *handle)
{
    struct verify *v = handle->data;
    uint64_t files = atomic_load(&v->inventory.files);
    uint64_t known = count_known(v);
    struct job *job = v->job;
    int rc = v->rc;
    char text[JOB_TEXT_MAX];

    free(v->suspects);
    free(v);
    if (rc == UV_EPERM)
        snprintf(
            text, sizeof(text),
            "the volumes hold %" PRIu64 " files, and the index knows of %" PRIu64
            ": nothing is removed. Is it the right index? `mkv rebuild` makes one of the files",
            files, known);
    else if (rc < 0)
        snprintf(text, sizeof(text), "it can't go on: %s", uv_strerror(rc));
    else
        write_text(job, text, sizeof(text));
    job->is_clean = is_clean(job);
    job_end(job, rc, text);
}

static void stopped_cb(void *arg)
{
    struct verify *v = arg;

    uv_close((uv_handle_t *)&v->timer, closed_cb);
}

static void end(struct verify *v)
{
    v->stage = VERIFY_ENDING;
    uv_timer_stop(&v->timer);
    inventory_stop(&v->inventory, stopped_cb);
}

/* --- Turns ----------------------------------------------------------------------------------- */

/* A volume that can't list its files can't read them either: each is fetched, by a request of its
 * own. */
static unsigned at_once(const struct verify *v)
{
    bool all_read = v->job->options.deep && job_counted(v->job, "unlisted") == 0;

    return all_read ? READS_AT_ONCE : LOOKS_AT_ONCE;
}

static void start_waiting(struct verify *v)
{
    while (v->first < v->n && v->n_running < at_once(v) && job_delay(v->job) == 0) {
        const struct suspect *suspect = &v->suspects[v->first++];
        int rc;

        v->n_running++;
        rc = suspect->is_stray ? verify_stray_start(v, suspect)
                               : key_doctor_visit(&v->doctor, &suspect->key, &suspect->record);
        if (rc < 0)
            v->n_running--;
        if (rc == UV_EAGAIN)
            v->job->done += !suspect->is_stray;
        if (rc < 0 && rc != UV_EAGAIN)
            v->rc = rc;
    }
}

/* What a slice has come to. */
static void compared(struct verify *v, int rc)
{
    v->is_reading = false;
    if (rc == UV_EAGAIN) {
        v->stage = VERIFY_FETCHING;
        inventory_fetch(&v->inventory);
    } else if (rc < 0 && rc != STORE_AWAY) {
        v->rc = rc;
    }
    v->compared = rc == 1;
    v->pause = rc == STORE_AWAY ? AWAY_PAUSE : 0;
}

static void compare(struct verify *v)
{
    int rc;

    memmove(v->suspects, v->suspects + v->first, (v->n - v->first) * sizeof(*v->suspects));
    v->n -= v->first;
    v->first = 0;
    v->is_reading = true;
    rc = verify_compare(v);
    if (rc != STORE_LATER)
        compared(v, rc);
}

void verify_compared(struct verify *v, int rc)
{
    compared(v, rc);
    if (v->stage == VERIFY_COMPARING)
        again_in(v, v->pause);
}

static bool wants_more(const struct verify *v)
{
    return v->stage == VERIFY_COMPARING && !v->compared && !v->is_reading &&
           v->n - v->first < VERIFY_BATCH / 2;
}

static void stop_reading(struct verify *v)
{
    store_cancel(v->job->objects->store, &v->reading);
    v->is_reading = false;
}

static void turn_cb(uv_timer_t *timer)
{
    struct verify *v = timer->data;
    bool gives_up = v->job->is_canceled || v->rc < 0;

    if (v->stage == VERIFY_LISTING) {
        v->job->done = atomic_load(&v->inventory.files);
        again_in(v, TICK);
        return;
    }
    if (!gives_up && wants_more(v))
        compare(v);
    if (!gives_up)
        start_waiting(v);
    gives_up = v->job->is_canceled || v->rc < 0;
    if (gives_up)
        stop_reading(v);
    if (v->n_running == 0 && v->stage == VERIFY_COMPARING &&
        (gives_up || (v->compared && v->first == v->n)))
        end(v);
    else if (!gives_up && wants_more(v))
        again_in(v, v->pause);
    else if (!gives_up && v->first < v->n && v->n_running < at_once(v))
        again_in(v, job_delay(v->job));
}

void verify_ended(struct verify *v)
{
    v->n_running--;
    if (v->stage == VERIFY_COMPARING)
        again_in(v, 0);
}

static void key_ended_cb(void *arg)
{
    struct verify *v = arg;

    v->job->done += !v->job->is_canceled;
    verify_ended(v);
}

/* Of an index that doesn't know half of the files, most would go: it has lost what it knew, or is
 * another one's. */
static bool knows_too_little(const struct verify *v)
{
    uint64_t files = atomic_load(&v->inventory.files);

    return v->job->options.remove_orphans && files > FILES_FEW && files > 2 * count_known(v);
}

/* The list is there, or more of it. */
static void ready_cb(int rc, void *arg)
{
    struct verify *v = arg;
    struct store_stats stats;

    if (v->stage == VERIFY_LISTING) {
        store_stats(v->job->objects->store, &stats);
        v->job->phase = v->job->options.deep ? "reading" : "comparing";
        v->job->total = stats.keys + stats.unlinked;
        v->job->done = 0;
        job_count(v->job, "strangers", v->inventory.strangers + v->inventory.foreign);
        if (rc == 0 && knows_too_little(v))
            rc = UV_EPERM;
        job_count(v->job, "unlisted", v->inventory.unlisted);
    }
    v->stage = VERIFY_COMPARING;
    if (rc < 0 && !v->job->is_canceled)
        v->rc = rc;
    again_in(v, 0);
}

/* --- The start ------------------------------------------------------------------------------- */

static int start(struct job *job)
{
    struct verify *v = calloc(1, sizeof(*v));
    struct store_stats stats;
    int rc = UV_ENOMEM;

    snprintf(job->text, sizeof(job->text), "the volumes can't be listed");
    if (v == NULL)
        return rc;
    v->job = job;
    key_doctor_init(&v->doctor, job, key_ended_cb, v);
    v->suspects = malloc(VERIFY_ROOM * sizeof(*v->suspects));
    v->inventory = (struct inventory){.objects = job->objects, .arg = v, .ready = ready_cb};
    if (v->suspects != NULL)
        rc = inventory_start(&v->inventory);
    if (rc < 0) {
        free(v->suspects);
        free(v);
        return rc;
    }
    store_stats(job->objects->store, &stats);
    job->phase = "listing";
    job->total = (stats.keys + stats.unlinked) * job->objects->copies;
    job->data = v;
    job->text[0] = '\0';
    uv_timer_init(job->objects->loop, &v->timer);
    v->timer.data = v;
    again_in(v, TICK);
    return 0;
}

static void cancel(struct job *job)
{
    struct verify *v = job->data;

    if (v->stage == VERIFY_ENDING)
        return;
    if (v->stage == VERIFY_LISTING) {
        end(v);
        return;
    }
    key_doctor_cancel(&v->doctor);
    if (v->stage == VERIFY_COMPARING)
        again_in(v, 0);
}

static bool only_looks(const struct job_options *options)
{
    return !options->repair && !options->remove_orphans;
}

const struct job_type verify_type = {.name = "verify",
                                     .noun = "keys",
                                     .counts_copies = true,
                                     .only_looks = only_looks,
                                     .start = start,
                                     .cancel = cancel};
