#include "index/maintenance/job.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "index/base/clock.h"
#include "index/base/log.h"
#include "index/maintenance/handover.h"

#define HELD 1000 /* ms between looks whether it still is */

TAILQ_HEAD(job_list, job);

struct jobs {
    struct objects *objects;
    struct job_list list;               /* in the order of their start */
    struct job_total totals[JOB_TYPES]; /* of those that have ended */
    uint64_t last_id;
    unsigned n_running;
    int refusal; /* of jobs that change something; 0: none */
    bool is_open;
    bool is_closed;
    bool stopping;
    struct handover handover; /* of several indexes that share the store */
    uv_timer_t timer;         /* of that */
    void (*stop_cb)(void *arg);
    void *stop_arg;
};

int jobs_new(struct objects *objects, int refusal, struct jobs **jobs)
{
    struct jobs *j = calloc(1, sizeof(*j));

    if (j == NULL)
        return UV_ENOMEM;
    j->objects = objects;
    j->refusal = refusal;
    TAILQ_INIT(&j->list);
    handover_init(&j->handover, j, objects);
    uv_timer_init(objects->loop, &j->timer);
    j->timer.data = j;
    *jobs = j;
    return 0;
}

static void job_free(struct job *job)
{
    for (size_t i = 0; i < job->n_findings; i++)
        free(job->findings[i].line);
    free(job->findings);
    free(job);
}

static void look_cb(uv_timer_t *timer)
{
    struct jobs *jobs = timer->data;

    handover_look(&jobs->handover);
}

/* What runs has changed: others are to know. */
static void look_soon(struct jobs *jobs)
{
    if (jobs->is_open && !jobs->is_closed && jobs->refusal == 0 &&
        jobs->objects->store->instance != 0)
        uv_timer_start(&jobs->timer, look_cb, 0, HANDOVER_LOOK_MS);
}

/* --- The end --------------------------------------------------------------------------------- */

static void closed_cb(uv_handle_t *handle)
{
    struct jobs *jobs = handle->data;
    void (*cb)(void *arg) = jobs->stop_cb;
    void *arg = jobs->stop_arg;
    struct job *job = TAILQ_FIRST(&jobs->list);
    struct job *next;

    for (; job != NULL; job = next) {
        next = TAILQ_NEXT(job, link);
        job_free(job);
    }
    free(jobs);
    cb(arg);
}

static void stop_if_quiet(struct jobs *jobs)
{
    if (jobs->stopping && jobs->n_running == 0 && !uv_is_closing((uv_handle_t *)&jobs->timer))
        uv_close((uv_handle_t *)&jobs->timer, closed_cb);
}

static struct job *find_going_on(const struct jobs *jobs)
{
    struct job *job;

    TAILQ_FOREACH(job, &jobs->list, link)
    {
        if (job->state == JOB_RUNNING && !job->is_canceled)
            return job;
    }
    return NULL;
}

/* One may end within its cancel, which frees another. */
void jobs_close(struct jobs *jobs)
{
    struct job *job;

    jobs->is_closed = true;
    uv_timer_stop(&jobs->timer);
    handover_stop(&jobs->handover);
    while ((job = find_going_on(jobs)) != NULL)
        job_cancel(job);
}

void jobs_stop(struct jobs *jobs, void (*cb)(void *arg), void *arg)
{
    assert(jobs->is_closed);
    jobs->stopping = true;
    jobs->stop_cb = cb;
    jobs->stop_arg = arg;
    stop_if_quiet(jobs);
}

/* The one that has just ended stays, for those who watch it. */
static void forget_old(struct jobs *jobs, const struct job *newest)
{
    unsigned n_ended = 0;
    struct job *job;
    struct job *oldest = NULL;

    TAILQ_FOREACH(job, &jobs->list, link)
    {
        if (job->state == JOB_RUNNING || job == newest)
            continue;
        n_ended++;
        if (oldest == NULL || job->ended_at < oldest->ended_at)
            oldest = job;
    }
    if (n_ended < JOBS_KEPT)
        return;
    TAILQ_REMOVE(&jobs->list, oldest, link);
    job_free(oldest);
}

static void add_count(struct job_count counts[JOB_COUNTS_MAX], const char *name, uint64_t n)
{
    unsigned i = 0;

    while (i < JOB_COUNTS_MAX && counts[i].name != NULL && strcmp(counts[i].name, name) != 0)
        i++;
    assert(i < JOB_COUNTS_MAX);
    counts[i].name = name;
    counts[i].n += n;
}

static void add_to_total(const struct job *job, struct job_total *total)
{
    total->states[job->state]++;
    total->bytes += job->bytes;
    for (unsigned i = 0; i < JOB_COUNTS_MAX && job->counts[i].name != NULL; i++)
        add_count(total->counts, job->counts[i].name, job->counts[i].n);
}

static void add_ended(struct jobs *jobs, const struct job *job)
{
    for (size_t i = 0; i < JOB_TYPES; i++) {
        if (job_type_at(i) == job->type)
            add_to_total(job, &jobs->totals[i]);
    }
}

void jobs_total(const struct jobs *jobs, size_t i, struct job_total *total)
{
    const struct job *job;

    *total = jobs->totals[i];
    TAILQ_FOREACH(job, &jobs->list, link)
    {
        if (job->state == JOB_RUNNING && job->type == job_type_at(i))
            add_to_total(job, total);
    }
}

void job_end(struct job *job, int rc, const char *text)
{
    struct jobs *jobs = job->jobs;

    assert(job->state == JOB_RUNNING);
    job->state = rc < 0 ? JOB_FAILED : job->is_canceled ? JOB_CANCELED : JOB_DONE;
    job->is_clean = job->is_clean && job->state == JOB_DONE;
    job->ended_at = uv_now(jobs->objects->loop);
    snprintf(job->text, sizeof(job->text), "%s", text);
    log_info("job %llu, %s%s%s, is %s: %s", (unsigned long long)job->id, job->type->name,
             job->options.volume[0] != '\0' ? " " : "", job->options.volume,
             job_state_name(job->state), text);
    add_ended(jobs, job);
    jobs->n_running--;
    forget_old(jobs, job);
    look_soon(jobs);
    stop_if_quiet(jobs);
}

void job_cancel(struct job *job)
{
    if (job->state != JOB_RUNNING || job->is_canceled)
        return;
    job->is_canceled = true;
    job->type->cancel(job);
}

/* --- The start ------------------------------------------------------------------------------- */

void jobs_open(struct jobs *jobs)
{
    jobs->is_open = true;
    look_soon(jobs);
}

bool job_only_looks(const struct job_type *type, const struct job_options *options)
{
    return type->only_looks != NULL && type->only_looks(options);
}

static struct job *find_running(const struct jobs *jobs, const struct job_type *type,
                                const struct job_options *options)
{
    struct job *job;

    TAILQ_FOREACH(job, &jobs->list, link)
    {
        if (job->state == JOB_RUNNING && job->type == type &&
            strcasecmp(job->options.volume, options->volume) == 0)
            return job;
    }
    return NULL;
}

static struct job *job_new(struct jobs *jobs, const struct job_type *type,
                           const struct job_options *options)
{
    struct job *job = calloc(1, sizeof(*job));

    if (job == NULL)
        return NULL;
    *job = (struct job){
        .jobs = jobs,
        .objects = jobs->objects,
        .type = type,
        .options = *options,
        .id = jobs->last_id + 1,
        .started = clock_now_ms(),
        .begun_at = uv_now(jobs->objects->loop),
        .phase = "starting",
    };
    if (job->options.jobs == 0)
        job->options.jobs = JOB_JOBS_DEFAULT;
    return job;
}

static bool is_elsewhere(const struct jobs *jobs, const struct job_type *type,
                         const struct job_options *options)
{
    return jobs->objects->store->instance != 0 && !options->is_automatic &&
           !job_only_looks(type, options) &&
           handover_is_elsewhere(jobs->objects, type, options->volume);
}

int jobs_start(struct jobs *jobs, const struct job_type *type, const struct job_options *options,
               struct job **job, char text[JOB_TEXT_MAX])
{
    struct job *new = find_running(jobs, type, options);
    int rc;

    if (jobs->is_closed) {
        strcpy(text, "the index is about to stop");
        return UV_ESHUTDOWN;
    }
    if (jobs->refusal != 0 && !job_only_looks(type, options)) {
        strcpy(text, jobs->refusal == UV_EROFS
                         ? "this index runs with --read-only: begin the job at another one"
                         : "another command reads the index's files: wait for its end");
        return jobs->refusal;
    }
    if (!jobs->is_open) {
        strcpy(text, "the index has just begun to ask its volumes how they are");
        return UV_EAGAIN;
    }
    if (is_elsewhere(jobs, type, options)) {
        strcpy(text, "another index runs it");
        return UV_EAGAIN;
    }
    if (new != NULL &&new->is_canceled) {
        strcpy(text, "one that was cancelled is about to end");
        return UV_EAGAIN;
    }
    if (new != NULL) {
        snprintf(text, JOB_TEXT_MAX, "it runs already, as job %llu", (unsigned long long)new->id);
        *job = new;
        return UV_EALREADY;
    }
    new = job_new(jobs, type, options);
    if (new == NULL) {
        strcpy(text, "out of memory");
        return UV_ENOMEM;
    }
    rc = type->start(new);
    if (rc < 0) {
        strcpy(text, new->text);
        free(new);
        return rc;
    }
    jobs->last_id = new->id;
    jobs->n_running++;
    TAILQ_INSERT_TAIL(&jobs->list, new, link);
    log_info("job %llu, %s%s%s, has begun", (unsigned long long)new->id, type->name,
             new->options.volume[0] != '\0' ? " " : "", new->options.volume);
    look_soon(jobs);
    *job = new;
    return 0;
}

struct job *jobs_find(const struct jobs *jobs, uint64_t id)
{
    struct job *job;

    TAILQ_FOREACH(job, &jobs->list, link)
    {
        if (job->id == id)
            return job;
    }
    return NULL;
}

struct job *jobs_next(const struct jobs *jobs, const struct job *job)
{
    return job == NULL ? TAILQ_FIRST(&jobs->list) : TAILQ_NEXT(job, link);
}

const char *job_state_name(enum job_state state)
{
    static const char *const names[] = {"running", "done", "failed", "canceled"};

    return names[state];
}

int job_refuse(struct job *job, int rc, const char *text)
{
    snprintf(job->text, sizeof(job->text), "%s", text);
    return rc;
}

/* --- What a job tells ------------------------------------------------------------------------ */

void job_count(struct job *job, const char *name, uint64_t n)
{
    add_count(job->counts, name, n);
}

uint64_t job_count_of(const struct job_count counts[JOB_COUNTS_MAX], const char *name)
{
    for (unsigned i = 0; i < JOB_COUNTS_MAX && counts[i].name != NULL; i++) {
        if (strcmp(counts[i].name, name) == 0)
            return counts[i].n;
    }
    return 0;
}

uint64_t job_counted(const struct job *job, const char *name)
{
    return job_count_of(job->counts, name);
}

/* The list grows by doubling. */
static bool make_room(struct job *job)
{
    size_t n = job->n_findings;
    struct job_finding *findings;

    if (n > 0 && (n & (n - 1)) != 0)
        return true;
    findings = realloc(job->findings, (n > 0 ? 2 * n : 1) * sizeof(*findings));
    if (findings != NULL)
        job->findings = findings;
    return findings != NULL;
}

void job_find(struct job *job, const char *line, size_t len)
{
    char *copy;

    if (job->n_findings == JOB_FINDINGS_MAX || job->findings_size + len > JOB_FINDINGS_BYTES ||
        !make_room(job) || (copy = malloc(len)) == NULL) {
        job->findings_left_out++;
        return;
    }
    memcpy(copy, line, len);
    job->findings_size += len;
    job->findings[job->n_findings].line = copy;
    job->findings[job->n_findings++].len = len;
}

/* --- Its rate -------------------------------------------------------------------------------- */

void job_spend(struct job *job, uint64_t bytes)
{
    job->bytes += bytes;
    if (job->options.rate > 0)
        job_pause(job, (uint64_t)((double)bytes * 1e6 / (double)job->options.rate));
}

void job_pause(struct job *job, uint64_t us)
{
    uint64_t now = uv_now(job->objects->loop) * 1000;

    if (job->spent_until < now)
        job->spent_until = now;
    job->spent_until += us;
}

/* So much may be spent ahead: of small keys many go into a millisecond, and no timer is finer. */
#define AHEAD 50000 /* us */

uint64_t job_delay(const struct job *job)
{
    uint64_t until = uv_now(job->objects->loop) * 1000 + AHEAD;

    if (job->is_held)
        return HELD;
    return job->spent_until > until ? (job->spent_until - until + 999) / 1000 : 0;
}
