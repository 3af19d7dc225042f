/* `mkv status`: what a running index says of itself, for people or, as it comes, for programs. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "index/base/address.h"
#include "index/base/buf.h"
#include "index/base/text.h"
#include "index/base/tls_files.h"
#include "launcher/commands.h"
#include "launcher/commands/admin_client.h"
#include "launcher/commands/index_dir.h"
#include "launcher/commands/job_line.h"
#include "launcher/commands/progress.h"
#include "launcher/quantity.h"

#define ANSWER_MAX (16UL << 20)

struct status_options {
    struct basic_options basic;
    const char *directory;
    bool json;
};

static const struct option status_option_table[] = {
    INDEX_DIR_OPTION(struct status_options, directory),
    {"json", NULL, NULL, "print one line of JSON", option_set_bool,
     offsetof(struct status_options, json)},
    BASIC_OPTIONS,
};

const struct command status_command = {
    .name = "status",
    .operands = "",
    .summary = "Print how a running index does.",
    .details =
        "Fails when none runs on that directory, and doesn't open its files itself: an index\n"
        "that starts meanwhile would find them locked.\n",
    .options = status_option_table,
    .n_options = sizeof(status_option_table) / sizeof(status_option_table[0]),
};

/* --- Text ------------------------------------------------------------------------------------ */

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

static void print_process(const json_t *status)
{
    char text[64];
    const char *index = json_string_value(json_object_get(status, "index"));
    const char *version = json_string_value(json_object_get(status, "version"));

    if (index != NULL)
        printf("index       %s\n", index);
    printf("process     mkv %s, pid %" PRId64 ", up for %s\n", version != NULL ? version : "?",
           number(status, NULL, "pid"), quantity_duration(number(status, NULL, "uptime_ms"), text));
}

static void print_counts(const json_t *status)
{
    char table[QUANTITY_TEXT_MAX];
    char memtable[QUANTITY_TEXT_MAX];

    printf("keys        %" PRId64 "\n", number(status, NULL, "keys"));
    printf("unlinked    %" PRId64 "\n", number(status, NULL, "unlinked"));
    printf("orphans     %" PRId64 "\n", number(status, NULL, "orphans"));
    printf("replicas    %" PRId64 "\n", number(status, NULL, "replicas"));
    printf("table       %s\n", quantity_size((double)number(status, "table", "bytes"), table));
    printf("memtable    %s\n",
           quantity_size((double)number(status, "memtable", "bytes"), memtable));
}

static void print_journal(const json_t *status)
{
    int64_t segments = number(status, "journal", "segments");
    char all[QUANTITY_TEXT_MAX];
    char pending[QUANTITY_TEXT_MAX];

    printf("journal     %s in %" PRId64 " segment%s, %s of it in no table yet, %s\n",
           quantity_size((double)number(status, "journal", "bytes"), all), segments,
           segments == 1 ? "" : "s",
           quantity_size((double)number(status, "journal", "pending_bytes"), pending),
           is_true(status, "journal", "sync") ? "synced" : "not synced (--no-sync)");
    if (error(status, "journal") != NULL)
        printf("            writing fails: %s\n", error(status, "journal"));
}

/* When the last one was, in ms since 1970. */
static void print_last(const char *title, int64_t last)
{
    time_t when = (time_t)(last / 1000);
    char text[64] = "none yet";
    struct tm local;

    if (last >= 0 && localtime_r(&when, &local) != NULL)
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z", &local);
    printf("%s%s", title, text);
}

static void print_checkpoint(const json_t *status)
{
    print_last("checkpoint  ", number(status, "checkpoint", "last_ms"));
    if (number(status, "checkpoint", "count") > 0)
        printf(", took %" PRId64 " ms", number(status, "checkpoint", "took_ms"));
    puts(is_true(status, "checkpoint", "running") ? "; one is running" : "");
    if (error(status, "checkpoint") != NULL)
        printf("            the last try failed: %s\n", error(status, "checkpoint"));
}

static void print_backup(const json_t *status)
{
    int64_t bytes = number(status, "backup", "bytes");
    char text[QUANTITY_TEXT_MAX];

    print_last("backup      ", number(status, "backup", "last_ms"));
    if (bytes >= 0)
        printf(", %s", quantity_size((double)bytes, text));
    puts("");
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "?";
}

/* Of the last day, the time alone. */
static void print_since(int64_t ms)
{
    time_t when = (time_t)(ms / 1000);
    bool is_recent = time(NULL) - when < 86400;
    char text[64];
    struct tm local;

    if (ms > 0 && localtime_r(&when, &local) != NULL &&
        strftime(text, sizeof(text), is_recent ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &local) > 0)
        printf(" since %s", text);
}

/* What the lines of volumes tell only where it differs. */
struct columns {
    bool zones;   /* one is not its volume's host */
    bool weights; /* they are not all the same */
};

/* What was free before a volume went down says nothing about now. */
static void print_volume(const json_t *volume, const struct columns *columns)
{
    int64_t left = number(volume, NULL, "free_bytes");
    bool is_down = strcmp(text_of(volume, "state"), "down") == 0;
    char free_text[QUANTITY_TEXT_MAX];
    char total_text[QUANTITY_TEXT_MAX];

    printf("volume      %s %s", text_of(volume, "name"), text_of(volume, "state"));
    if (is_down)
        print_since(number(volume, NULL, "since_ms"));
    if (*text_of(volume, "reason") != '\0')
        printf(", %s", text_of(volume, "reason"));
    if (left >= 0 && !is_down)
        printf(", %s of %s free", quantity_size((double)left, free_text),
               quantity_size((double)number(volume, NULL, "total_bytes"), total_text));
    if (columns->zones)
        printf(", zone %s", text_of(volume, "zone"));
    if (columns->weights)
        printf(", weight %" PRId64, number(volume, NULL, "weight"));
    if (json_is_true(json_object_get(volume, "drained")))
        puts(" (drained: takes no new values)");
    else
        puts(json_is_true(json_object_get(volume, "used")) ? "" : " (takes no new values)");
}

static bool is_own_zone(const json_t *volume)
{
    struct address address = {.host = ""};

    volume_name_parse(text_of(volume, "name"), &address);
    return strcasecmp(text_of(volume, "zone"), address.host) == 0;
}

static void print_volumes(const json_t *status)
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
        print_volume(volume, &columns);
    }
}

/* With one zone there is nothing to say. */
static void print_zones(const json_t *status)
{
    int64_t zones = number(status, "zones", "count");
    int64_t keys = number(status, "zones", "keys_sharing");
    int64_t age = number(status, "zones", "age_ms");
    char text[64];

    if (zones < 2)
        return;
    printf("zones       %" PRId64, zones);
    if (keys < 0)
        puts("; the keys whose copies share one are being counted");
    else if (keys == 0)
        puts("; no key's copies share one");
    else
        printf("; the copies of %" PRId64 " key%s share one (counted %s ago)\n", keys,
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

static void print_job(const struct job_line *job)
{
    struct progress progress = {.has_line = false};
    char name[JOB_LINE_NAME_MAX];
    char text[PROGRESS_TEXT_MAX];
    char ago[QUANTITY_TEXT_MAX];
    struct timespec now;

    printf("job         %" PRIu64 ", %s%s, ", job->id, job_line_name(job, name),
           job->is_automatic ? " (automatic)" : "");
    if (job->is_running && strcmp(name, "scrub") == 0) { /* it has all the time in the world */
        printf("%" PRIu64 " of %" PRIu64 " keys of this round are read\n", job->done, job->total);
        return;
    }
    if (job->is_running) {
        progress_guess(&progress, job);
        puts(progress_sentence(&progress, job, text));
        return;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    printf("%s %s ago: %s\n", job->state,
           quantity_duration(now.tv_sec * 1000 - (int64_t)ended_ms(job), ago), job->text);
}

/* Those that run, and of each kind the one that has ended last. */
static void print_jobs(const json_t *status)
{
    const json_t *jobs = json_object_get(status, "jobs");
    struct job_line job;
    const json_t *value;
    size_t i;

    json_array_foreach(jobs, i, value)
    {
        if (job_line_read(value, &job) == 0 && (job.is_running || is_last(jobs, &job)))
            print_job(&job);
    }
}

/* What mkv does by itself. */
static void print_healing(const json_t *status)
{
    int64_t after = number(status, "healing", "repair_after_ms");
    bool held = is_true(status, "healing", "held");
    char text[QUANTITY_TEXT_MAX];

    if (after > 0)
        printf("healing     a volume that is away for %s has its copies made elsewhere%s\n",
               quantity_duration(after, text),
               held ? "; held, while more than half of the volumes are away" : "");
    else
        puts("healing     off (--repair-after 0)");
}

static void print_scrub(const json_t *status)
{
    int64_t every = number(status, "healing", "verify_every_ms");
    char text[QUANTITY_TEXT_MAX];

    if (every <= 0) {
        puts("scrub       off (--verify-every 0)");
        return;
    }
    printf("scrub       every copy is read once in %s", quantity_duration(every, text));
    if (number(status, "healing", "verify_begun_ms") >= 0)
        print_last("; this round began ", number(status, "healing", "verify_begun_ms"));
    if (number(status, "healing", "verified_ms") >= 0)
        print_last("; the last whole one began ", number(status, "healing", "verified_ms"));
    puts("");
}

/* As a log line has it, within two weeks. */
static void print_certificate(const json_t *status)
{
    const json_t *certificate = json_object_get(status, "certificate");
    int64_t left = number(status, "certificate", "expires_ms") / 1000 - (int64_t)time(NULL);

    if (!json_is_object(certificate))
        return;
    printf("certificate %s, ", text_of(certificate, "file"));
    if (left <= 0)
        print_last("expired at ", number(status, "certificate", "expires_ms"));
    else
        print_last("valid until ", number(status, "certificate", "expires_ms"));
    if (left > 0)
        printf(", for %" PRId64 " days", left / 86400);
    puts(left <= TLS_WARN_DAYS * 86400 ? " (renew it, and send HUP)" : "");
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

static int print_text(const struct buf *answer)
{
    json_t *status = json_loadb(buf_bytes(answer), buf_size(answer), 0, NULL);
    int rc = json_is_object(status) ? make_printable(status) : -EPROTO;

    if (rc < 0) {
        json_decref(status);
        return rc;
    }
    print_process(status);
    print_counts(status);
    print_journal(status);
    print_checkpoint(status);
    print_backup(status);
    print_zones(status);
    print_healing(status);
    print_scrub(status);
    print_certificate(status);
    print_volumes(status);
    print_jobs(status);
    json_decref(status);
    return 0;
}

/* --- The command ----------------------------------------------------------------------------- */

static int gather_cb(const char *bytes, size_t len, void *arg)
{
    struct buf *answer = arg;

    return buf_size(answer) + len > ANSWER_MAX ? -EPROTO : buf_append(answer, bytes, len);
}

/* A cut answer has no end of a line. */
static int print_answer(const struct status_options *options, const struct buf *answer)
{
    size_t n = buf_size(answer);

    if (n == 0 || buf_bytes(answer)[n - 1] != '\n')
        return -EPROTO;
    if (!options->json)
        return print_text(answer);
    fwrite(buf_bytes(answer), 1, n, stdout);
    return 0;
}

static int status(const struct status_options *options, int directory)
{
    struct buf answer = {0};
    int rc = admin_client_get(directory, "/status", gather_cb, &answer);

    if (rc == -ENOENT || rc == -ECONNREFUSED)
        log_error("no index runs on %s", options->directory);
    else if (rc == 0)
        rc = print_answer(options, &answer);
    if (rc < 0 && rc != -ENOENT && rc != -ECONNREFUSED)
        log_error("the index on %s gives no good answer: %s", options->directory, strerror(-rc));
    buf_deinit(&answer);
    if (rc == 0 && fflush(stdout) != 0) {
        rc = -errno;
        log_error("cannot write the status: %s", strerror(-rc));
    }
    return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int status_main(int argc, char **argv)
{
    struct status_options options = {.basic = {.help = false}};
    int directory;
    int exit_code;
    int n;

    if (!command_begin(&status_command, argc, argv, &options, &n, &exit_code))
        return exit_code;
    if (n != 0)
        return options_usage_error(&status_command, "status takes no operands: '%s'", argv[0]);
    log_set_level(LOG_LEVEL_WARN);
    signal(SIGPIPE, SIG_IGN);
    if (index_dir_find(options.directory, &directory) < 0)
        return EXIT_FAILURE;
    exit_code = status(&options, directory);
    close(directory);
    return exit_code;
}
