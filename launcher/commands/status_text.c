#include "launcher/commands/status_text.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "index/base/address.h"
#include "index/base/text.h"
#include "index/base/tls_files.h"
#include "index/base/volume_name.h"
#include "launcher/commands/job_line.h"
#include "launcher/commands/progress.h"
#include "launcher/quantity.h"

enum hue { HUE_NONE, HUE_GOOD, HUE_WARNING, HUE_BAD };

struct painter {
    FILE *out;
    bool colour;
};

/* What has a terminal write in that hue from here on. (ECMA-48, section 8.3.117) */
static const char *in(const struct painter *p, enum hue hue)
{
    static const char *const codes[] = {
        [HUE_NONE] = "\033[0m",
        [HUE_GOOD] = "\033[32m",
        [HUE_WARNING] = "\033[33m",
        [HUE_BAD] = "\033[1;31m",
    };

    return p->colour ? codes[hue] : "";
}

/* The number at "a" or "a.b" of the answer; -1 without one. */
static int64_t number(const json_t *status, const char *object, const char *name)
{
    const json_t *in = object != NULL ? json_object_get(status, object) : status;
    const json_t *value = json_object_get(in, name);

    return json_is_integer(value) ? json_integer_value(value) : -1;
}

static bool is_true(const json_t *status, const char *object, const char *name)
{
    return json_is_true(json_object_get(json_object_get(status, object), name));
}

/* The text of an error, or NULL. */
static const char *error(const json_t *status, const char *object)
{
    return json_string_value(json_object_get(json_object_get(status, object), "error"));
}

static void print_process(const struct painter *p, const json_t *status)
{
    char text[64];
    const char *index = json_string_value(json_object_get(status, "index"));
    const char *version = json_string_value(json_object_get(status, "version"));

    if (index != NULL)
        fprintf(p->out, "index       %s\n", index);
    fprintf(p->out, "process     mkv %s, pid %" PRId64 ", up for %s\n",
            version != NULL ? version : "?", number(status, NULL, "pid"),
            quantity_duration(number(status, NULL, "uptime_ms"), text));
}

static void print_counts(const struct painter *p, const json_t *status)
{
    fprintf(p->out, "keys        %" PRId64 "\n", number(status, NULL, "keys"));
    fprintf(p->out, "unlinked    %" PRId64 "\n", number(status, NULL, "unlinked"));
    fprintf(p->out, "orphans     %" PRId64 "\n", number(status, NULL, "orphans"));
    fprintf(p->out, "replicas    %" PRId64 "\n", number(status, NULL, "replicas"));
}

static void print_size(const struct painter *p, const json_t *status, const char *title,
                       const char *object)
{
    char text[QUANTITY_TEXT_MAX];

    fprintf(p->out, "%s%s", title, quantity_size((double)number(status, object, "bytes"), text));
}

static const char *sync_of(const json_t *status)
{
    return is_true(status, "journal", "sync") ? "synced" : "not synced (--no-sync)";
}

static void print_write_error(const struct painter *p, const json_t *status)
{
    if (error(status, "journal") != NULL)
        fprintf(p->out, "            %swriting fails: %s%s\n", in(p, HUE_BAD),
                error(status, "journal"), in(p, HUE_NONE));
}

static void print_journal(const struct painter *p, const json_t *status)
{
    int64_t segments = number(status, "journal", "segments");
    char all[QUANTITY_TEXT_MAX];
    char pending[QUANTITY_TEXT_MAX];

    fprintf(p->out, "journal     %s in %" PRId64 " segment%s, %s of it in no table yet, %s\n",
            quantity_size((double)number(status, "journal", "bytes"), all), segments,
            segments == 1 ? "" : "s",
            quantity_size((double)number(status, "journal", "pending_bytes"), pending),
            sync_of(status));
    print_write_error(p, status);
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "?";
}

/* What is wrong, and in the next line what to do about it. */
static void print_advice(const struct painter *p, const json_t *status)
{
    const json_t *advice;
    size_t i;

    json_array_foreach(json_object_get(status, "advice"), i, advice)
    {
        const char *level = text_of(advice, "level");
        enum hue hue = strcmp(level, "critical") == 0  ? HUE_BAD
                       : strcmp(level, "warning") == 0 ? HUE_WARNING
                                                       : HUE_NONE;

        fprintf(p->out, "%s%-12s%s%s\n            %s\n", in(p, hue), level, in(p, HUE_NONE),
                text_of(advice, "text"), text_of(advice, "mend"));
    }
}

/* When the last one was, in ms since 1970. */
static void print_last(const struct painter *p, const char *title, int64_t last)
{
    time_t when = (time_t)(last / 1000);
    char text[64] = "none yet";
    struct tm local;

    if (last >= 0 && localtime_r(&when, &local) != NULL)
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z", &local);
    fprintf(p->out, "%s%s", title, text);
}

static void print_checkpoint(const struct painter *p, const json_t *status)
{
    print_last(p, "checkpoint  ", number(status, "checkpoint", "last_ms"));
    if (number(status, "checkpoint", "count") > 0)
        fprintf(p->out, ", took %" PRId64 " ms", number(status, "checkpoint", "took_ms"));
    fprintf(p->out, "%s\n", is_true(status, "checkpoint", "running") ? "; one is running" : "");
    if (error(status, "checkpoint") != NULL)
        fprintf(p->out, "            %sthe last try failed: %s%s\n", in(p, HUE_BAD),
                error(status, "checkpoint"), in(p, HUE_NONE));
}

static void print_database(const struct painter *p, const json_t *status)
{
    int64_t indexes = number(status, "store", "indexes");

    print_size(p, status, "database    ", "table");
    fprintf(p->out, " in PostgreSQL, %" PRId64 " %s alive, %s", indexes,
            indexes == 1 ? "index is" : "indexes are", sync_of(status));
    if (is_true(status, "store", "away"))
        fprintf(p->out, "; %sit can't be reached%s", in(p, HUE_BAD), in(p, HUE_NONE));
    else if (is_true(status, "store", "refuses_changes"))
        fprintf(p->out, "; %sit refuses changes%s", in(p, HUE_BAD), in(p, HUE_NONE));
    fputc('\n', p->out);
    print_write_error(p, status);
}

/* Where the keys are. */
static void print_store(const struct painter *p, const json_t *status)
{
    if (strcmp(text_of(json_object_get(status, "store"), "engine"), "postgres") == 0) {
        print_database(p, status);
        return;
    }
    print_size(p, status, "table       ", "table");
    print_size(p, status, "\nmemtable    ", "memtable");
    fputc('\n', p->out);
    print_journal(p, status);
    print_checkpoint(p, status);
}

static void print_backup(const struct painter *p, const json_t *status)
{
    int64_t bytes = number(status, "backup", "bytes");
    char text[QUANTITY_TEXT_MAX];

    print_last(p, "backup      ", number(status, "backup", "last_ms"));
    if (bytes >= 0)
        fprintf(p->out, ", %s", quantity_size((double)bytes, text));
    fputc('\n', p->out);
}

/* Of the last day, the time alone. */
static void print_since(const struct painter *p, int64_t ms)
{
    time_t when = (time_t)(ms / 1000);
    bool is_recent = time(NULL) - when < 86400;
    char text[64];
    struct tm local;

    if (ms > 0 && localtime_r(&when, &local) != NULL &&
        strftime(text, sizeof(text), is_recent ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &local) > 0)
        fprintf(p->out, " since %s", text);
}

/* What the lines of volumes tell only where it differs. */
struct columns {
    bool zones;   /* one is not its volume's host */
    bool weights; /* they are not all the same */
};

static enum hue hue_of_volume(const json_t *volume)
{
    const char *state = text_of(volume, "state");

    if (strcmp(state, "down") == 0)
        return HUE_BAD;
    /* One that is up and has a reason is as good as it can be for now. */
    return strcmp(state, "up") == 0 && *text_of(volume, "reason") == '\0' ? HUE_GOOD : HUE_WARNING;
}

/* What was free before a volume went down says nothing about now. */
static void print_volume(const struct painter *p, const json_t *volume,
                         const struct columns *columns)
{
    int64_t left = number(volume, NULL, "free_bytes");
    bool is_down = strcmp(text_of(volume, "state"), "down") == 0;
    char free_text[QUANTITY_TEXT_MAX];
    char total_text[QUANTITY_TEXT_MAX];

    fprintf(p->out, "volume      %s %s%s%s", text_of(volume, "name"), in(p, hue_of_volume(volume)),
            text_of(volume, "state"), in(p, HUE_NONE));
    if (is_down)
        print_since(p, number(volume, NULL, "since_ms"));
    if (*text_of(volume, "reason") != '\0')
        fprintf(p->out, ", %s", text_of(volume, "reason"));
    if (left >= 0 && !is_down)
        fprintf(p->out, ", %s of %s free", quantity_size((double)left, free_text),
                quantity_size((double)number(volume, NULL, "total_bytes"), total_text));
    if (columns->zones)
        fprintf(p->out, ", zone %s", text_of(volume, "zone"));
    if (columns->weights)
        fprintf(p->out, ", weight %" PRId64, number(volume, NULL, "weight"));
    if (json_is_true(json_object_get(volume, "drained")))
        fputs(" (drained: takes no new values)\n", p->out);
    else
        fprintf(p->out, "%s\n",
                json_is_true(json_object_get(volume, "used")) ? "" : " (takes no new values)");
}

static bool is_own_zone(const json_t *volume)
{
    struct address address = {.host = ""};

    volume_name_parse(text_of(volume, "name"), &address);
    return strcasecmp(text_of(volume, "zone"), address.host) == 0;
}

static void print_volumes(const struct painter *p, const json_t *status)
{
    const json_t *volumes = json_object_get(status, "volumes");
    struct columns columns = {.zones = false};
    int64_t weight = number(json_array_get(volumes, 0), NULL, "weight");
    const json_t *volume;
    size_t i;

    json_array_foreach(volumes, i, volume)
    {
        columns.zones = columns.zones || !is_own_zone(volume);
        columns.weights = columns.weights || number(volume, NULL, "weight") != weight;
    }
    json_array_foreach(volumes, i, volume)
    {
        print_volume(p, volume, &columns);
    }
}

/* With one zone there is nothing to say. */
static void print_zones(const struct painter *p, const json_t *status)
{
    int64_t zones = number(status, "zones", "count");
    int64_t keys = number(status, "zones", "keys_sharing");
    int64_t age = number(status, "zones", "age_ms");
    char text[64];

    if (zones < 2)
        return;
    fprintf(p->out, "zones       %" PRId64, zones);
    if (keys < 0)
        fputs("; the keys whose copies share one are being counted\n", p->out);
    else if (keys == 0)
        fputs("; no key's copies share one\n", p->out);
    else
        fprintf(p->out, "; the copies of %" PRId64 " key%s share one (counted %s ago)\n", keys,
                keys == 1 ? "" : "s", quantity_duration(age, text));
}

static uint64_t ended_ms(const struct job_line *job)
{
    return job->started_ms + job->elapsed_ms;
}

/* Whether it is the last one of its kind that has ended. */
static bool is_last(const json_t *jobs, const struct job_line *job)
{
    struct job_line other;
    const json_t *value;
    size_t i;

    json_array_foreach(jobs, i, value)
    {
        if (job_line_read(value, &other) == 0 && !other.is_running &&
            strcmp(other.kind, job->kind) == 0 && ended_ms(&other) >= ended_ms(job) &&
            other.id > job->id)
            return false;
    }
    return true;
}

static void print_job(const struct painter *p, const struct job_line *job)
{
    struct progress progress = {.has_line = false};
    char name[JOB_LINE_NAME_MAX];
    char text[PROGRESS_TEXT_MAX];
    char ago[QUANTITY_TEXT_MAX];
    struct timespec now;

    fprintf(p->out, "job         %" PRIu64 ", %s%s, ", job->id, job_line_name(job, name),
            job->is_automatic ? " (automatic)" : "");
    if (job->is_running && strcmp(name, "scrub") == 0) { /* it has all the time in the world */
        fprintf(p->out, "%" PRIu64 " of %" PRIu64 " keys of this round are read\n", job->done,
                job->total);
        return;
    }
    if (job->is_running) {
        progress_guess(&progress, job);
        fprintf(p->out, "%s\n", progress_sentence(&progress, job, text));
        return;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    fprintf(p->out, "%s%s%s %s ago: %s\n", in(p, job->is_failed ? HUE_BAD : HUE_NONE), job->state,
            in(p, HUE_NONE), quantity_duration(now.tv_sec * 1000 - (int64_t)ended_ms(job), ago),
            job->text);
}

/* Those that run, and of each kind the one that has ended last. */
static void print_jobs(const struct painter *p, const json_t *status)
{
    const json_t *jobs = json_object_get(status, "jobs");
    struct job_line job;
    const json_t *value;
    size_t i;

    json_array_foreach(jobs, i, value)
    {
        if (job_line_read(value, &job) == 0 && (job.is_running || is_last(jobs, &job)))
            print_job(p, &job);
    }
}

/* What mkv does by itself. */
static void print_healing(const struct painter *p, const json_t *status)
{
    int64_t after = number(status, "healing", "repair_after_ms");
    bool held = is_true(status, "healing", "held");
    char text[QUANTITY_TEXT_MAX];

    if (after > 0)
        fprintf(p->out,
                "healing     a volume that is away for %s has its copies made elsewhere%s\n",
                quantity_duration(after, text),
                held ? "; held, while more than half of the volumes are away" : "");
    else
        fputs("healing     off (--repair-after 0)\n", p->out);
}

static void print_scrub(const struct painter *p, const json_t *status)
{
    int64_t every = number(status, "healing", "verify_every_ms");
    char text[QUANTITY_TEXT_MAX];

    if (every <= 0) {
        fputs("scrub       off (--verify-every 0)\n", p->out);
        return;
    }
    fprintf(p->out, "scrub       every copy is read once in %s", quantity_duration(every, text));
    if (number(status, "healing", "verify_begun_ms") >= 0)
        print_last(p, "; this round began ", number(status, "healing", "verify_begun_ms"));
    if (number(status, "healing", "verified_ms") >= 0)
        print_last(p, "; the last whole one began ", number(status, "healing", "verified_ms"));
    fputc('\n', p->out);
}

/* As a log line has it, within two weeks. */
static void print_certificate(const struct painter *p, const json_t *status)
{
    const json_t *certificate = json_object_get(status, "certificate");
    int64_t left = number(status, "certificate", "expires_ms") / 1000 - (int64_t)time(NULL);

    if (!json_is_object(certificate))
        return;
    fprintf(p->out, "certificate %s, ", text_of(certificate, "file"));
    if (left <= 0)
        print_last(p, "expired at ", number(status, "certificate", "expires_ms"));
    else
        print_last(p, "valid until ", number(status, "certificate", "expires_ms"));
    if (left > 0)
        fprintf(p->out, ", for %" PRId64 " days", left / 86400);
    if (left <= TLS_WARN_DAYS * 86400)
        fprintf(p->out, " %s(renew it, and send HUP)%s", in(p, HUE_WARNING), in(p, HUE_NONE));
    fputc('\n', p->out);
}

static int make_string_printable(json_t *string)
{
    size_t len = json_string_length(string);
    char *text = malloc(4 * len + 1);
    size_t n;
    int rc;

    if (text == NULL)
        return -ENOMEM;
    n = text_printable(json_string_value(string), len, text, 4 * len);
    rc = json_string_setn(string, text, n);
    free(text);
    return rc < 0 ? -ENOMEM : 0;
}

/* Does so with every string in it: names and reasons can come from a volume, and end on a terminal.
 */
static int make_printable(json_t *value) /* NOLINT(misc-no-recursion): an answer is 5 levels deep */
{
    const char *name;
    json_t *inner;
    size_t i;
    int rc = json_is_string(value) ? make_string_printable(value) : 0;

    json_object_foreach(value, name, inner)
    {
        rc = rc == 0 ? make_printable(inner) : rc;
    }
    json_array_foreach(value, i, inner)
    {
        rc = rc == 0 ? make_printable(inner) : rc;
    }
    return rc;
}

int status_text_write(FILE *out, bool colour, const char *answer, size_t len)
{
    const struct painter painter = {.out = out, .colour = colour};
    const struct painter *p = &painter;
    json_t *status = json_loadb(answer, len, 0, NULL);
    int rc = json_is_object(status) ? make_printable(status) : -EPROTO;

    if (rc == 0) {
        print_process(p, status);
        print_advice(p, status);
        print_counts(p, status);
        print_store(p, status);
        print_backup(p, status);
        print_zones(p, status);
        print_healing(p, status);
        print_scrub(p, status);
        print_certificate(p, status);
        print_volumes(p, status);
        print_jobs(p, status);
    }
    json_decref(status);
    return rc;
}
