/* Work on many keys, done beside the requests of clients: what a job is asked to do, how far it is,
 * what it has found, and how it ended. The kinds of jobs (rebalance.h, verify.h ...) do the work;
 * who watches a job reads this struct.
 *
 *     jobs_start() ──▶ RUNNING ──▶ DONE, FAILED, or CANCELED after job_cancel()
 *
 * A job may be ended at any time, by a crash too: what it has done so far stays done, and the same
 * job, started again, does the rest. */
#ifndef MKV_MAINTENANCE_JOB_H
#define MKV_MAINTENANCE_JOB_H

#include <sys/queue.h>

#include "index/objects/objects.h"

#define JOB_TEXT_MAX       (2 * VOLUME_ADDRESS_MAX + 384)
#define JOB_COUNTS_MAX     16
#define JOB_FINDINGS_MAX   10000             /* that are kept; more are counted */
#define JOB_FINDINGS_BYTES ((size_t)2 << 20) /* in all: a key can make a line of 6 KiB */
#define JOB_JOBS_DEFAULT   4
#define JOB_JOBS_MAX       64

enum job_state { JOB_RUNNING, JOB_DONE, JOB_FAILED, JOB_CANCELED, JOB_STATES };

struct job_options {
    char volume[VOLUME_ADDRESS_MAX]; /* that drain and forget are about; else "" */
    bool dry_run;                    /* rebalance: only say what it would do */
    bool undo;                       /* drain: take the volume up again */
    bool deep;                       /* verify, as the next two */
    bool repair;
    bool remove_orphans;
    bool is_automatic; /* mkv itself has begun it */
    unsigned jobs;     /* keys in hand at once; 0: JOB_JOBS_DEFAULT */
    uint64_t rate;     /* bytes a second that it copies or reads at most; 0: any */
    uint64_t spread;   /* scrub: ms that its round is to take */
};

/* A number that a job tells, with its name in JSON: "moved", "missing" ... */
struct job_count {
    const char *name;
    uint64_t n;
};

struct jobs;
struct job;

struct job_type {
    const char *name;   /* as the command, "rebalance" */
    const char *noun;   /* what `done` and `total` count: "keys" */
    bool needs_volume;  /* options.volume */
    bool counts_copies; /* it looks at all keys, and counts what is wrong with their copies */
    bool is_own;        /* mkv alone begins it (healer.h), with options that nobody can ask for */
    /* Whether one with these options changes nothing, in the index or at volumes. NULL: none. */
    bool (*only_looks)(const struct job_options *options);
    /* Begins it. 0; or negative with a line in job->text, and then nothing runs. */
    int (*start)(struct job *job);
    /* It is to begin nothing more: job_end() follows soon, or comes from within. */
    void (*cancel)(struct job *job);
};

/* What a job has found: a line of JSON, without its end. */
struct job_finding {
    char *line;
    size_t len;
};

struct job {
    struct jobs *jobs;
    struct objects *objects;
    const struct job_type *type;
    struct job_options options;
    uint64_t id; /* 1 and up */
    enum job_state state;
    uint64_t started;  /* ms since 1970 */
    uint64_t begun_at; /* loop time */
    uint64_t ended_at; /* likewise; 0: it runs */
    /* How far it is. The kind of job writes these, watchers read them. */
    const char *phase;                       /* static, "moving" */
    uint64_t done;                           /* of this phase */
    uint64_t total;                          /* 0: unknown */
    uint64_t bytes;                          /* copied or read so far */
    struct job_count counts[JOB_COUNTS_MAX]; /* those that have a name */
    struct job_finding *findings;            /* in the order of job_find() */
    size_t n_findings;
    size_t findings_size; /* bytes of them */
    uint64_t findings_left_out;
    char text[JOB_TEXT_MAX]; /* when it has ended: a line that says how it went */
    bool is_clean;           /* when it is DONE: nothing is left to be mended */
    void *data;              /* the kind's own */
    /* The rest is this module's. */
    bool is_canceled;
    bool is_held;         /* nothing more is to begin for now: healer.h says so */
    uint64_t spent_until; /* loop time, in us, by which the rate allows what was spent */
    TAILQ_ENTRY(job) link;
};

/* --- For whoever starts and watches jobs ------------------------------------------------------ */

/* 0 and *jobs, or UV_ENOMEM. Jobs that change something are refused with `refusal`: UV_EROFS, of an
 * index that runs with --read-only; UV_EAGAIN, of one that is there for a command that looks; 0:
 * they aren't. */
int jobs_new(struct objects *objects, int refusal, struct jobs **jobs);

/* Jobs can be started from now on: what volumes there are, and how each is, is known. */
void jobs_open(struct jobs *jobs);

/* Cancels all jobs, and starts none any more; who watches them sees them end. */
void jobs_close(struct jobs *jobs);

/* After jobs_close(), when nobody reads a job any more: frees all once they have ended, and fires
 * `cb`, never inside this call. */
void jobs_stop(struct jobs *jobs, void (*cb)(void *arg), void *arg);

/* Starts a job. 0 and *job, which stays until JOBS_KEPT later ones have ended; or, with a line in
 * `text`: UV_EALREADY when one of that kind, and of that volume, runs (then it is *job); UV_EINVAL;
 * UV_EAGAIN before jobs_open(), while jobs only look, or when another index that shares the store
 * runs it, as far as is known; UV_EROFS at an index that only reads; UV_ESHUTDOWN after
 * jobs_close(); or another negative UV_E*. */
#define JOBS_KEPT 16
int jobs_start(struct jobs *jobs, const struct job_type *type, const struct job_options *options,
               struct job **job, char text[JOB_TEXT_MAX]);

/* Whether a job of that kind with these options changes nothing, in the index or at volumes. */
bool job_only_looks(const struct job_type *type, const struct job_options *options);

/* The job of that id, or NULL. */
struct job *jobs_find(const struct jobs *jobs, uint64_t id);

/* The kind of job of that name, `len` bytes, or NULL. */
const struct job_type *job_type_find(const char *name, size_t len);

/* The next one in the order of their start; NULL stands before the first and after the last. */
struct job *jobs_next(const struct jobs *jobs, const struct job *job);

/* Has it end. One that has ended is left alone. */
void job_cancel(struct job *job);

/* What all jobs of a kind have done since the start. */
struct job_total {
    uint64_t states[JOB_STATES]; /* how many run now, and have ended so */
    uint64_t bytes;
    struct job_count counts[JOB_COUNTS_MAX]; /* those that have a name */
};

/* The kinds of jobs, and their totals, i < JOB_TYPES. */
#define JOB_TYPES 6
const struct job_type *job_type_at(size_t i);
void jobs_total(const struct jobs *jobs, size_t i, struct job_total *total);

/* "running", "done", "failed", "canceled". */
const char *job_state_name(enum job_state state);

/* --- For the kinds of jobs -------------------------------------------------------------------- */

/* The job has ended: nothing of it runs any more. Once, never within type->start(). rc 0: DONE, or
 * CANCELED when it was; negative: FAILED. The text is a line for people. */
void job_end(struct job *job, int rc, const char *text);

/* For type->start(): sets the text, and returns rc. */
int job_refuse(struct job *job, int rc, const char *text);

/* Adds to the count of that name, a static string, which is made where it isn't there yet. */
void job_count(struct job *job, const char *name, uint64_t n);

/* What was counted under that name; also among others' counts, such as a struct job_total has. */
uint64_t job_count_of(const struct job_count counts[JOB_COUNTS_MAX], const char *name);
uint64_t job_counted(const struct job *job, const char *name);

/* Keeps what was found: a JSON object of one line, without its end, copied; or counts it as left
 * out, where there are too many or memory is short. */
void job_find(struct job *job, const char *line, size_t len);

/* Says that so many bytes will be copied or read, and counts them. */
void job_spend(struct job *job, uint64_t bytes);

/* Says that nothing more is to begin for so many us. */
void job_pause(struct job *job, uint64_t us);

/* For how many ms nothing more is to begin, as that, options.rate and is_held have it; 0: go on. */
uint64_t job_delay(const struct job *job);

#endif
