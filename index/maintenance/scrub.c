/* A walk through the keys that begins to look at one in so many seconds. The file is four lines:
 *
 *     begun MS
 *     verified MS
 *     done KEYS
 *     next KEY        percent-encoded, or nothing
 */
#include "index/maintenance/scrub.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/clock.h"
#include "index/base/json.h"
#include "index/base/log.h"
#include "index/base/small_file.h"
#include "index/maintenance/key_doctor.h"
#include "index/maintenance/key_walk.h"

#define AT_ONCE    16
#define SAVE_EVERY 60000 /* ms */
#define FILE_MAX   (64 + 3 * KEY_MAX)

struct scrub {
    struct job *job;
    struct scrub_state state;
    uint64_t saved_at; /* loop time */
    struct key_walk walk;
    struct key_doctor doctor;
};

/* --- The file -------------------------------------------------------------------------------- */

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

void scrub_load(const struct objects *o, struct scrub_state *state)
{
    struct buf text = {0};
    struct scrub_state found = {.begun = 0};

    *state = found;
    if (small_file_read(o->directory, SCRUB_FILE, FILE_MAX, &text) == 0 &&
        buf_append(&text, "", 1) == 0 && parse((char *)buf_bytes(&text), &found))
        *state = found;
    buf_deinit(&text);
}

/* Where that fails, the round goes on from an earlier key after a restart. */
static void save(struct scrub *s)
{
    const struct objects *o = s->job->objects;
    struct buf text = {0};
    int rc =
        buf_append_format(&text, "begun %" PRIu64 "\nverified %" PRIu64 "\ndone %" PRIu64 "\nnext ",
                          s->state.begun, s->state.verified, s->state.done);

    if (rc == 0)
        rc = json_append_percent(&text, s->state.next.bytes, s->state.next.len);
    if (rc == 0)
        rc = buf_append_string(&text, "\n");
    if (rc == 0)
        rc = small_file_replace(o->directory, SCRUB_FILE, buf_bytes(&text), buf_size(&text));
    if (rc < 0)
        log_limited(LOG_LEVEL_WARN, "cannot write %s/" SCRUB_FILE ": %s", o->directory,
                    uv_strerror(rc));
    buf_deinit(&text);
    s->saved_at = uv_now(o->loop);
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

static void walked_cb(int rc, void *arg)
{
    struct scrub *s = arg;
    struct job *job = s->job;
    uint64_t failed = job_counted(job, "failed") + job_counted(job, "doubted");
    char text[JOB_TEXT_MAX];

    if (rc == 0 && !job->is_canceled)
        s->state = (struct scrub_state){.verified = s->state.begun};
    save(s);
    if (rc < 0)
        snprintf(text, sizeof(text), "the index can't be read: %s", uv_strerror(rc));
    else
        snprintf(text, sizeof(text),
                 "%" PRIu64 " keys read, %" PRIu64 " repaired, %" PRIu64 " could not be repaired",
                 job->done, job_counted(job, "repaired"), failed);
    job->is_clean = failed == 0;
    free(s);
    job_end(job, rc, text);
}

static int start(struct job *job)
{
    struct scrub *s = calloc(1, sizeof(*s));
    struct store_stats stats;
    int rc = UV_ENOMEM;

    if (s != NULL) {
        s->job = job;
        scrub_load(job->objects, &s->state);
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
        free(s);
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
