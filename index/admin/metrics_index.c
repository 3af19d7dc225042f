/* Each number is of the room that knows it; here it gets its name. */
#include <assert.h>
#include <string.h>

#include "index/admin/metrics.h"
#include "index/admin/readiness.h"
#include "index/base/operation.h"
#include "index/base/process.h"
#include "index/http/meter.h"
#include "index/maintenance/backup_key.h"
#include "index/maintenance/healer.h"
#include "index/maintenance/job.h"
#include "index/objects/spread.h"

static_assert((int)OPERATIONS <= METER_KINDS, "each has a place");

static const char *api_of(unsigned kind)
{
    return operation_api((enum operation)kind);
}

static const char *name_of(unsigned kind)
{
    return operation_name((enum operation)kind);
}

static void add_requests(const struct admin *admin, struct exposition *e)
{
    static const struct meter_names names = {
        .prefix = "mkv", .api = api_of, .operation = name_of, .n = OPERATIONS};

    if (admin->meter != NULL)
        meter_expose(admin->meter, &names, e);
}

static void add_build(const struct admin *admin, struct exposition *e)
{
    static const struct exposition_label labels[] = {{"version", MKV_VERSION}, {.name = NULL}};
    char why[READINESS_TEXT_MAX];

    exposition_begin(e, "mkv_build_info", "gauge", "Always 1; the label says which mkv this is.");
    exposition_add(e, labels, 1, 1);
    exposition_gauge(e, "mkv_ready", "1 when the index can serve, as /readyz says, else 0.",
                     readiness_check(admin, why));
    exposition_gauge(e, "mkv_replicas", "Volumes that each new value goes to.",
                     admin->objects->copies);
    if (admin->certificate->path != NULL)
        exposition_gauge(e, "mkv_certificate_expiry_timestamp_seconds",
                         "When the certificate that clients are shown expires, since 1970.",
                         (uint64_t)admin->certificate->expires);
}

static void add_keys(const struct store_stats *s, struct exposition *e)
{
    exposition_gauge(e, "mkv_keys",
                     "Keys that have a value, those that mkv keeps for itself (backups, buckets, "
                     "uploads) among them.",
                     s->keys);
    exposition_gauge(e, "mkv_unlinked_keys", "Keys that are unlinked.", s->unlinked);
    exposition_gauge(e, "mkv_orphans", "Blobs that no key names and that are to be removed.",
                     s->orphans);
}

static void add_checkpoints(const struct store_stats *s, struct exposition *e)
{
    exposition_counter(e, "mkv_store_checkpoints_total", "Checkpoints that were made.",
                       s->checkpoints);
    exposition_gauge(e, "mkv_store_checkpoint_running", "1 while a checkpoint is made, else 0.",
                     s->checkpoint_running);
    exposition_gauge(e, "mkv_store_checkpoint_failed", "1 when the last checkpoint failed, else 0.",
                     s->checkpoint_error != 0);
    exposition_begin(e, "mkv_store_checkpoint_duration_seconds", "gauge",
                     "How long the last checkpoint took.");
    exposition_add(e, NULL, s->checkpoint_ms, EXPOSITION_MILLI);
    exposition_begin(e, "mkv_store_checkpoint_timestamp_seconds", "gauge",
                     "When the table was made, since 1970; 0: there is none yet.");
    exposition_add(e, NULL, s->checkpoint_time, EXPOSITION_MILLI);
}

static void add_sharing(const struct store *store, const struct store_stats *s,
                        struct exposition *e)
{
    exposition_gauge(e, "mkv_store_away", "1 while the database can't be reached, else 0.",
                     s->is_away);
    exposition_gauge(e, "mkv_store_indexes",
                     "Indexes that share the store, this one included, and are alive.", s->indexes);
    exposition_gauge(e, "mkv_store_leads",
                     "1 when this is the index that makes backups and repairs, else 0.",
                     store_leads(store));
}

static void add_store(const struct store_stats *s, struct exposition *e)
{
    exposition_counter(e, "mkv_store_commits_total", "Commits that have made their changes.",
                       s->commits);
    exposition_counter(e, "mkv_store_conflicts_total",
                       "Commits that found something else than they expected, and made none.",
                       s->conflicts);
    exposition_counter(e, "mkv_store_commit_failures_total",
                       "Commits that the index's disk failed.", s->failures);
    exposition_counter(e, "mkv_store_flushes_total",
                       "Writes to the journal, each for all commits that waited.", s->flushes);
    exposition_gauge(e, "mkv_store_journal_bytes", "Bytes of the journal.", s->journal_bytes);
    exposition_gauge(e, "mkv_store_journal_segments", "Files of the journal.", s->segments);
    exposition_gauge(e, "mkv_store_journal_pending_bytes",
                     "Bytes of the journal that no checkpoint has yet.", s->pending_bytes);
    exposition_gauge(e, "mkv_store_journal_failed",
                     "1 when the last write failed or the database refuses changes, else 0.",
                     s->journal_error != 0 || s->refuses_changes);
    exposition_gauge(e, "mkv_store_disk_short",
                     "1 when the index's disk is nearly full and only deletes are taken, else 0.",
                     s->is_short);
    exposition_gauge(e, "mkv_store_table_bytes", "Bytes of the table.", s->table_bytes);
    exposition_gauge(e, "mkv_store_memory_bytes", "Bytes of what no checkpoint has yet, in memory.",
                     s->memory_bytes);
    add_checkpoints(s, e);
}

/* --- Jobs ------------------------------------------------------------------------------------- */

static void add_job_states(const struct jobs *jobs, struct exposition *e)
{
    struct job_total total;

    exposition_begin(e, "mkv_jobs_running", "gauge", "Jobs that run, by kind.");
    for (size_t i = 0; i < JOB_TYPES; i++) {
        const struct exposition_label labels[] = {{"kind", job_type_at(i)->name}, {.name = NULL}};

        jobs_total(jobs, i, &total);
        exposition_add(e, labels, total.states[JOB_RUNNING], 1);
    }
    exposition_begin(e, "mkv_jobs_ended_total", "counter",
                     "Jobs that have ended, by kind and how.");
    for (size_t i = 0; i < JOB_TYPES; i++) {
        jobs_total(jobs, i, &total);
        for (enum job_state state = JOB_DONE; state < JOB_STATES; state++) {
            const struct exposition_label labels[] = {
                {"kind", job_type_at(i)->name}, {"result", job_state_name(state)}, {.name = NULL}};

            exposition_add(e, labels, total.states[state], 1);
        }
    }
}

/* Those that there is always a sample of, so that one that grows from 0 is seen to grow. */
static const char *const of_copies[] = {"missing", "short",   "rotten",   "unreadable", "away",
                                        "doubted", "too_few", "repaired", "failed"};

#define N_OF_COPIES (sizeof(of_copies) / sizeof(of_copies[0]))

static bool is_of_copies(const struct job_type *type, const char *name)
{
    for (size_t i = 0; type->counts_copies && i < N_OF_COPIES; i++) {
        if (strcmp(of_copies[i], name) == 0)
            return true;
    }
    return false;
}

static void add_result(struct exposition *e, const struct job_type *type, const char *name,
                       uint64_t n)
{
    const struct exposition_label labels[] = {
        {"kind", type->name}, {"result", name}, {.name = NULL}};

    exposition_add(e, labels, n, 1);
}

static void add_results(struct exposition *e, const struct job_type *type,
                        const struct job_total *total)
{
    for (size_t i = 0; type->counts_copies && i < N_OF_COPIES; i++)
        add_result(e, type, of_copies[i], job_count_of(total->counts, of_copies[i]));
    for (unsigned i = 0; i < JOB_COUNTS_MAX && total->counts[i].name != NULL; i++) {
        if (!is_of_copies(type, total->counts[i].name))
            add_result(e, type, total->counts[i].name, total->counts[i].n);
    }
}

static void add_job_counts(const struct jobs *jobs, struct exposition *e)
{
    struct job_total total;

    exposition_begin(e, "mkv_job_results_total", "counter",
                     "What jobs have counted, by kind: of verify, heal and scrub, copies that are "
                     "missing, short, rotten or away, and keys repaired or failed; of others, what "
                     "they moved.");
    for (size_t i = 0; i < JOB_TYPES; i++) {
        jobs_total(jobs, i, &total);
        add_results(e, job_type_at(i), &total);
    }
    exposition_begin(e, "mkv_job_bytes_total", "counter",
                     "Bytes that jobs copied or read, by kind.");
    for (size_t i = 0; i < JOB_TYPES; i++) {
        const struct exposition_label labels[] = {{"kind", job_type_at(i)->name}, {.name = NULL}};

        jobs_total(jobs, i, &total);
        exposition_add(e, labels, total.bytes, 1);
    }
}

/* The last one of that kind that runs, or has ended so; NULL: none is known any more. */
static const struct job *find_last(const struct jobs *jobs, const struct job_type *type,
                                   enum job_state state)
{
    const struct job *last = NULL;

    for (const struct job *job = jobs_next(jobs, NULL); job != NULL; job = jobs_next(jobs, job)) {
        if (job->type == type && job->state == state)
            last = job;
    }
    return last;
}

static void add_progress(const struct jobs *jobs, struct exposition *e, const char *name,
                         const char *help, size_t offset)
{
    exposition_begin(e, name, "gauge", help);
    for (size_t i = 0; i < JOB_TYPES; i++) {
        const struct job *job = find_last(jobs, job_type_at(i), JOB_RUNNING);
        const struct exposition_label labels[] = {{"kind", job_type_at(i)->name}, {.name = NULL}};

        if (job != NULL)
            exposition_add(e, labels, *(const uint64_t *)((const char *)job + offset), 1);
    }
}

/* What is known of copies is what the last job found that looked at all keys. */
static void add_missing(const struct jobs *jobs, struct exposition *e)
{
    exposition_begin(
        e, "mkv_last_job_results", "gauge",
        "What the last job that is done has found of copies, by kind; what it repaired "
        "is among them.");
    for (size_t i = 0; i < JOB_TYPES; i++) {
        const struct job_type *type = job_type_at(i);
        const struct job *job = type->counts_copies ? find_last(jobs, type, JOB_DONE) : NULL;

        for (size_t k = 0; job != NULL && k < N_OF_COPIES; k++)
            add_result(e, type, of_copies[k], job_counted(job, of_copies[k]));
    }
}

static void add_jobs(const struct jobs *jobs, struct exposition *e)
{
    add_job_states(jobs, e);
    add_job_counts(jobs, e);
    add_progress(jobs, e, "mkv_job_done", "Keys or blobs that the running job has done, by kind.",
                 offsetof(struct job, done));
    add_progress(jobs, e, "mkv_job_size",
                 "Keys or blobs that the running job has in all, by kind; 0: unknown.",
                 offsetof(struct job, total));
    add_missing(jobs, e);
}

static void add_healing(const struct objects *objects, struct exposition *e)
{
    struct healer_state state;
    uint64_t keys;
    uint64_t age;

    healer_state(objects->healer, &state);
    exposition_gauge(
        e, "mkv_healing_held",
        "1 while more than half of the volumes are away, and nothing is healed, else 0.",
        state.held);
    exposition_begin(
        e, "mkv_verified_timestamp_seconds", "gauge",
        "When the last round began in which every copy was read, since 1970; 0: none.");
    exposition_add(e, NULL, state.verified, EXPOSITION_MILLI);
    if (spread_get(objects->spread, &keys, &age) == 0)
        exposition_gauge(e, "mkv_keys_sharing_zone",
                         "Keys with copies in one zone that could be in two, as last counted.",
                         keys);
}

static void add_backup(const struct admin *admin, struct exposition *e)
{
    const struct backups *backups = backups_watch(admin->backups, admin->objects->store);

    exposition_gauge(e, "mkv_backups", "Backups of the index on its volumes.", backups->n);
    exposition_begin(e, "mkv_backup_timestamp_seconds", "gauge",
                     "When the last backup was begun, since 1970; 0: there is none.");
    exposition_add(e, NULL, backups->n > 0 ? backups->newest : 0, EXPOSITION_MILLI);
}

void metrics_of_index(const struct admin *admin, struct exposition *e)
{
    struct store_stats stats;

    store_stats(admin->objects->store, &stats);
    add_build(admin, e);
    add_requests(admin, e);
    add_keys(&stats, e);
    add_store(&stats, e);
    add_sharing(admin->objects->store, &stats, e);
    add_jobs(admin->jobs, e);
    add_healing(admin->objects, e);
    add_backup(admin, e);
    process_expose(e);
}
