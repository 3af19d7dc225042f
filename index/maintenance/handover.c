/* Each look makes the note anew: a line of a job that has ended goes, one of a job that has begun
 * joins them, and one of an index that is gone becomes this one's when this index begins the job.
 * Where that differs from the note it is put, as long as the note is still the one that was looked
 * at; else the next look sees more. So there is nothing to be kept between looks, and none that
 * fails has to be undone. */
#include "index/maintenance/handover.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "index/base/log.h"

/* A line. */
struct noted_job {
    const struct job_type *type;
    struct job_options options;
    uint64_t instance; /* of the index that runs it */
};

struct flag {
    char letter;
    size_t offset; /* of the field in struct job_options */
};

static const struct flag flags[] = {
    {'d', offsetof(struct job_options, deep)},
    {'r', offsetof(struct job_options, repair)},
    {'o', offsetof(struct job_options, remove_orphans)},
};

#define N_FLAGS (sizeof(flags) / sizeof(flags[0]))

void handover_init(struct handover *h, struct jobs *jobs, struct objects *objects)
{
    *h = (struct handover){.jobs = jobs, .objects = objects, .putting.data = h};
}

/* --- Lines ------------------------------------------------------------------------------------ */

/* The next word of the line, which is cut after it; "" at the end. */
static char *take_word(char **line)
{
    char *word = *line;
    size_t n = strcspn(word, " ");

    *line = word + n + (word[n] != '\0');
    word[n] = '\0';
    return word;
}

static bool take_number(char **line, uint64_t *number)
{
    const char *word = take_word(line);
    char *end;

    *number = strtoull(word, &end, 10);
    return *word >= '0' && *word <= '9' && *end == '\0';
}

/* False: it is a newer mkv's. */
static bool parse(char *line, struct noted_job *noted)
{
    const char *kind = take_word(&line);
    const char *volume = take_word(&line);
    const char *letters;
    uint64_t n;

    *noted = (struct noted_job){.type = job_type_find(kind, strlen(kind))};
    if (noted->type == NULL || strlen(volume) >= sizeof(noted->options.volume) ||
        noted->type->needs_volume != (strcmp(volume, "-") != 0) ||
        !take_number(&line, &noted->instance) || !take_number(&line, &n) || n == 0 ||
        n > JOB_JOBS_MAX || !take_number(&line, &noted->options.rate))
        return false;
    noted->options.jobs = (unsigned)n;
    if (noted->type->needs_volume)
        strcpy(noted->options.volume, volume);
    letters = take_word(&line);
    for (size_t i = 0; i < N_FLAGS; i++)
        *(bool *)((char *)&noted->options + flags[i].offset) =
            strchr(letters, flags[i].letter) != NULL;
    return *letters != '\0' && *line == '\0';
}

static int append(struct buf *note, const struct job_type *type, const struct job_options *options,
                  uint64_t instance)
{
    char letters[N_FLAGS + 1] = "-";
    size_t n = 0;

    for (size_t i = 0; i < N_FLAGS; i++) {
        if (*(const bool *)((const char *)options + flags[i].offset))
            letters[n++] = flags[i].letter;
    }
    if (n > 0)
        letters[n] = '\0';
    return buf_append_format(note, "%s %s %" PRIu64 " %u %" PRIu64 " %s\n", type->name,
                             options->volume[0] != '\0' ? options->volume : "-", instance,
                             options->jobs, options->rate, letters);
}

/* The note's lines, as a text to be cut up. 0, or UV_ENOMEM. */
static int read_note(const struct objects *o, struct buf *note)
{
    int rc = store_get_note(o->store, HANDOVER_NOTE, note);

    return rc == 0 ? buf_append(note, "", 1) : rc;
}

static char *take_line(char **text)
{
    char *line = *text;
    size_t n;

    if (line == NULL || *line == '\0')
        return NULL;
    n = strcspn(line, "\n");
    *text = line + n + (line[n] != '\0');
    line[n] = '\0';
    return line;
}

static bool is_of(const struct job_type *type, const char *volume, const struct noted_job *noted)
{
    return noted->type == type && strcasecmp(noted->options.volume, volume) == 0;
}

bool handover_is_elsewhere(const struct objects *o, const struct job_type *type, const char *volume)
{
    struct buf note = {0};
    struct noted_job noted;
    bool found = false;
    char *text;
    char *line;

    if (read_note(o, &note) == 0) {
        text = (char *)buf_bytes(&note);
        while (!found && (line = take_line(&text)) != NULL)
            found = parse(line, &noted) && is_of(type, volume, &noted) &&
                    noted.instance != o->store->instance && store_lives(o->store, noted.instance);
    }
    buf_deinit(&note);
    return found;
}

/* --- Looking ---------------------------------------------------------------------------------- */

/* What a look makes. */
struct look {
    struct handover *handover;
    struct buf note;
};

static bool is_handed_over(const struct job *job)
{
    return job->state == JOB_RUNNING && !job->options.is_automatic && !job->options.undo &&
           !job_only_looks(job->type, &job->options);
}

static struct job *find_running(const struct handover *h, const struct noted_job *noted)
{
    struct job *job = jobs_next(h->jobs, NULL);

    while (job != NULL && !(is_handed_over(job) && is_of(job->type, job->options.volume, noted)))
        job = jobs_next(h->jobs, job);
    return job;
}

/* False: it is to wait, for another look or another index. True, and *job is NULL: it can't be done
 * any more. */
static bool take_over(struct handover *h, const struct noted_job *noted, struct job **job)
{
    char text[JOB_TEXT_MAX];
    int rc;

    if (!store_leads(h->objects->store))
        return false;
    rc = jobs_start(h->jobs, noted->type, &noted->options, job, text);
    if (rc == 0)
        log_warn("job %llu goes on with what an index that is gone had begun",
                 (unsigned long long)(*job)->id);
    else if (rc != UV_EAGAIN && rc != UV_EALREADY)
        log_limited(LOG_LEVEL_WARN, "%s %s, which an index that is gone had begun, can't go on: %s",
                    noted->type->name, noted->options.volume, text);
    return rc == 0 || rc == UV_EINVAL;
}

/* Keeps the line of a job of another index, living or not, or makes it this one's. */
static int look_at_others(struct look *look, const struct noted_job *noted, struct job *job)
{
    struct handover *h = look->handover;
    uint64_t instance = h->objects->store->instance;

    if (store_lives(h->objects->store, noted->instance)) {
        if (job != NULL && !job->is_canceled) {
            log_warn("job %llu is cancelled: another index runs it", (unsigned long long)job->id);
            job_cancel(job);
        }
        return append(&look->note, noted->type, &noted->options, noted->instance);
    }
    if (job == NULL && !take_over(h, noted, &job))
        return append(&look->note, noted->type, &noted->options, noted->instance);
    return job != NULL ? append(&look->note, job->type, &job->options, instance) : 0;
}

/* A line that this mkv doesn't know stays as it is. */
static int look_at(struct look *look, char *line)
{
    const struct handover *h = look->handover;
    size_t before = buf_size(&look->note);
    int rc = buf_append_format(&look->note, "%s\n", line);
    struct noted_job noted;
    struct job *job;
    bool is_mine;

    if (rc < 0 || !parse(line, &noted))
        return rc;
    is_mine = noted.instance == h->objects->store->instance;
    job = find_running(h, &noted);
    if (is_mine && job != NULL)
        return 0;
    buf_truncate(&look->note, before);
    return is_mine ? 0 : look_at_others(look, &noted, job);
}

static bool has_line(const struct buf *note, const struct job *job)
{
    struct buf copy = {0};
    struct noted_job noted;
    bool found = false;
    char *text;
    char *line;

    if (buf_append(&copy, buf_bytes(note), buf_size(note)) == 0 && buf_append(&copy, "", 1) == 0) {
        text = (char *)buf_bytes(&copy);
        while (!found && (line = take_line(&text)) != NULL)
            found = parse(line, &noted) && is_of(job->type, job->options.volume, &noted);
    }
    buf_deinit(&copy);
    return found;
}

static int add_new(struct look *look)
{
    struct handover *h = look->handover;
    int rc = 0;

    for (struct job *job = jobs_next(h->jobs, NULL); job != NULL && rc == 0;
         job = jobs_next(h->jobs, job)) {
        if (is_handed_over(job) && !job->is_canceled && !has_line(&look->note, job))
            rc = append(&look->note, job->type, &job->options, h->objects->store->instance);
    }
    return rc;
}

static void put_cb(struct store_reading *reading, int rc)
{
    (void)reading;
    (void)rc; /* the next look sees */
}

static bool is_same(const struct buf *a, const struct buf *b)
{
    const char *one = buf_bytes(a);
    const char *two = buf_bytes(b);

    return buf_size(a) == buf_size(b) &&
           (one == NULL || two == NULL || memcmp(one, two, buf_size(a)) == 0);
}

static void put(struct handover *h, const struct buf *was, const struct buf *is)
{
    const struct store_note note = {.name = HANDOVER_NOTE,
                                    .was = buf_bytes(was),
                                    .was_len = buf_size(was),
                                    .value = buf_bytes(is),
                                    .len = buf_size(is)};

    if (!is_same(was, is))
        store_put_note(h->objects->store, &h->putting, &note, put_cb);
}

void handover_look(struct handover *h)
{
    struct look look = {.handover = h};
    struct buf was = {0};
    struct buf lines = {0};
    char *text;
    char *line;
    int rc;

    if (h->putting.request != NULL || store_is_away(h->objects->store))
        return;
    rc = store_get_note(h->objects->store, HANDOVER_NOTE, &was);
    if (rc == 0)
        rc = read_note(h->objects, &lines);
    text = (char *)buf_bytes(&lines);
    while (rc == 0 && (line = take_line(&text)) != NULL)
        rc = look_at(&look, line);
    if (rc == 0)
        rc = add_new(&look);
    if (rc == 0)
        put(h, &was, &look.note);
    buf_deinit(&was);
    buf_deinit(&lines);
    buf_deinit(&look.note);
}

void handover_stop(struct handover *h)
{
    store_cancel(h->objects->store, &h->putting);
}
