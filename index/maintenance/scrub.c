/* A walk through the keys that begins to look at one in so many seconds. The note is four lines:
 *
 *     begun MS
 *     verified MS
 *     done KEYS
 *     next KEY        percent-encoded, or nothing
 *
 * A job that finds another note there than it has put ends: another index leads meanwhile, or did,
 * and has gone on with the round. */
#include "index/maintenance/scrub.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/clock.h"
#include "index/base/json.h"
#include "index/base/log.h"
#include "index/maintenance/key_doctor.h"
#include "index/maintenance/key_walk.h"

#define AT_ONCE    16
#define SAVE_EVERY 60000 /* ms */

struct scrub {
    struct job *job;
    struct scrub_state state;
    uint64_t saved_at; /* loop time */
    struct buf saved;  /* the note, as far as this job knows */
    struct store_reading saving;
    bool is_superseded; /* another index goes on */
    struct key_walk walk;
    struct key_doctor doctor;
};

/* --- The note -------------------------------------------------------------------------------- */

/* Reads "NAME NUMBER" and the end of the line. */
static bool take_number(char **text, const char *name, uint64_t *number)
{
    size_t n = strlen(name);
    char *end;

    if (strncmp(*text, name, n) != 0 || (*text)[n] < '0' || (*text)[n] > '9')
        return false;
    *number = strtoull(*text + n, &end, 10);
    *text = end + 1;
    return *end == '\n';
}

static bool parse(char *text, struct scrub_state *state)
{
    char *end;

    if (!take_number(&text, "begun ", &state->begun) ||
        !take_number(&text, "verified ", &state->verified) ||
        !take_number(&text, "done ", &state->done) || strncmp(text, "next ", 5) != 0)
        return false;
    text += 5;
    end = strchr(text, '\n');
    return end != NULL &&
           (end == text || key_decode_any(text, (size_t)(end - text), &state->next) == NULL);
}

static int load(const struct objects *o, struct scrub_state *state, struct buf *text)
{
    struct scrub_state found = {.begun = 0};
    int rc = store_get_note(o->store, SCRUB_NOTE, text);
    size_t n = buf_size(text);

    *state = found;
    if (rc == 0)
        rc = buf_append(text, "", 1);
    if (rc == 0 && parse((char *)buf_bytes(text), &found))
        *state = found;
    buf_truncate(text, n);
    return rc;
}

void scrub_load(const struct objects *o, struct scrub_state *state)
{
    struct buf text = {0};

    load(o, state, &text);
    buf_deinit(&text);
}

static void failed(struct scrub *s, int rc)
{
    struct scrub_state ignored;

    log_limited(LOG_LEVEL_WARN, "cannot note how far the scrub is: %s", uv_strerror(rc));
    buf_clear(&s->saved);
    load(s->job->objects, &ignored, &s->saved);
}

static void saved_cb(struct store_reading *reading, int rc)
{
    struct scrub *s = reading->data;

    if (rc == STORE_CONFLICT) {
        s->is_superseded = true;
        key_walk_cancel(&s->walk);
    } else if (rc < 0) {
        failed(s, rc);
    }
}

static int make_note(const struct scrub_state *state, struct buf *text)
{
    int rc =
        buf_append_format(text, "begun %" PRIu64 "\nverified %" PRIu64 "\ndone %" PRIu64 "\nnext ",
                          state->begun, state->verified, state->done);

    if (rc == 0)
        rc = json_append_percent(text, state->next.bytes, state->next.len);
    return rc == 0 ? buf_append_string(text, "\n") : rc;
}

/* Where that fails, the round goes on from an earlier key after a restart. One that is on its way
 * is taken for done: this one comes after it. */
static void save(struct scrub *s)
{
    const struct objects *o = s->job->objects;
    struct buf was = s->saved;
    int rc;

    s->saved = (struct buf){0};
    s->saved_at = uv_now(o->loop);
    rc = make_note(&s->state, &s->saved);
    store_cancel(o->store, &s->saving);
    if (rc == 0)
        rc = store_put_note(o->store, &s->saving,
                            &(struct store_note){.name = SCRUB_NOTE,
                                                 .was = buf_bytes(&was),
                                                 .was_len = buf_size(&was),
                                                 .value = buf_bytes(&s->saved),
                                                 .len = buf_size(&s->saved)},
                            saved_cb);
    if (rc < 0)
        failed(s, rc);
    buf_deinit(&was);
}

/* --- The walk -------------------------------------------------------------------------------- */

static bool wants(const struct walked_key *key, void *arg)
{
    (void)key;
    (void)arg;
    return true;
}

static void pause_for_one(struct job *job)
{
    struct store_stats stats;

    store_stats(job->objects->store, &stats);
    job->total = stats.keys + stats.unlinked;
    if (stats.keys + stats.unlinked > 0)
        job_pause(job, job->options.spread * 1000 / (stats.keys + stats.unlinked));
}

static int visit(const struct walked_key *key, void *arg)
{
    struct scrub *s = arg;

    pause_for_one(s->job);
    s->state.next = key->key;
    s->state.done++;
    if (uv_now(s->job->objects->loop) - s->saved_at >= SAVE_EVERY)
        save(s);
    return key_doctor_visit(&s->doctor, &key->key, &key->record);
}

static void visited_cb(void *arg)
{
    struct scrub *s = arg;

    key_walk_ended(&s->walk);
}

static void scrub_free(struct scrub *s)
{
    store_cancel(s->job->objects->store, &s->saving);
    buf_deinit(&s->saved);
    free(s);
}

static void walked_cb(int rc, void *arg)
{
    struct scrub *s = arg;
    struct job *job = s->job;
    uint64_t failed = job_counted(job, "failed") + job_counted(job, "doubted");
    char text[JOB_TEXT_MAX];

    if (rc == 0 && !job->is_canceled && !s->is_superseded)
        s->state = (struct scrub_state){.verified = s->state.begun};
    if (!s->is_superseded)
        save(s);
    if (s->is_superseded)
        snprintf(text, sizeof(text), "another index has gone on with it");
    else if (rc < 0)
        snprintf(text, sizeof(text), "the index can't be read: %s", uv_strerror(rc));
    else
        snprintf(text, sizeof(text),
                 "%" PRIu64 " keys read, %" PRIu64 " repaired, %" PRIu64 " could not be repaired",
                 job->done, job_counted(job, "repaired"), failed);
    job->is_clean = failed == 0;
    scrub_free(s);
    job_end(job, rc, text);
}

static int start(struct job *job)
{
    struct scrub *s = calloc(1, sizeof(*s));
    struct store_stats stats;
    int rc = UV_ENOMEM;

    if (s != NULL) {
        s->job = job;
        s->saving.data = s;
        load(job->objects, &s->state, &s->saved);
        if (s->state.begun == 0)
            s->state.begun = clock_now_ms();
        key_doctor_init(&s->doctor, job, visited_cb, s);
        s->walk = (struct key_walk){.job = job,
                                    .arg = s,
                                    .at_once = AT_ONCE,
                                    .wants = wants,
                                    .start = visit,
                                    .ended = walked_cb,
                                    .at.key = s->state.next};
        rc = key_walk_start(&s->walk);
    }
    if (rc < 0) {
        if (s != NULL)
            scrub_free(s);
        return job_refuse(job, rc, "out of memory");
    }
    save(s);
    store_stats(job->objects->store, &stats);
    job->phase = "reading";
    job->total = stats.keys + stats.unlinked;
    job->done = s->state.done;
    job->data = s;
    return 0;
}

static void cancel(struct job *job)
{
    struct scrub *s = job->data;

    key_walk_cancel(&s->walk);
    key_doctor_cancel(&s->doctor);
}

const struct job_type scrub_type = {.name = "scrub",
                                    .noun = "keys",
                                    .counts_copies = true,
                                    .is_own = true,
                                    .start = start,
                                    .cancel = cancel};
