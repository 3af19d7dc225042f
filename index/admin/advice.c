#include "index/admin/advice.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "index/admin/json_values.h"
#include "index/base/quantity.h"
#include "index/base/tls_files.h"

#define TEXT_MAX   4096
#define NAMED      3 /* volumes of the same trouble that are told one by one, or named */
#define DAY_MS     86400000
#define SPACE_LEFT 20 /* a volume with less than one part in so many free is nearly full */
#define UNKNOWN    (-1)

enum level { NOTE, WARNING, CRITICAL, LEVELS };

struct advice {
    const json_t *status;
    int64_t now;
    json_t *lists[LEVELS];
    char text[TEXT_MAX]; /* of the entry that is being made; likewise: */
    char mend[TEXT_MAX];
    bool has_failed; /* for want of memory */
};

static void write_text(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void write_text(char *text, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(text, TEXT_MAX, format, args);
    va_end(args);
}

/* What stands between backticks is shown as a command of ours; in `text` there are words of others:
 * a volume's reason, what a job has met. */
static void take_commands_out(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '`')
            *text = '\'';
    }
}

/* Adds what `text` and `mend` hold. */
static void add(struct advice *a, enum level level, int64_t since)
{
    static const char *const names[] = {
        [NOTE] = "note", [WARNING] = "warning", [CRITICAL] = "critical"};
    json_t *entry;

    take_commands_out(a->text);
    entry = json_pack("{s:s, s:o, s:o, s:o}", "level", names[level], "text", json_of_text(a->text),
                      "mend", json_of_text(a->mend), "since_ms",
                      since > 0 ? json_integer(since) : json_null());

    if (json_array_append_new(a->lists[level], entry) < 0)
        a->has_failed = true;
}

/* --- The index's own disk --------------------------------------------------------------------- */

static void mend_disk(struct advice *a, const char *error)
{
    const char *index = json_text_in(a->status, "index");

    if (strcmp(error, uv_strerror(UV_ENOSPC)) == 0)
        write_text(a->mend, "Make room on the disk of %s. It goes on by itself.", index);
    else
        write_text(a->mend, "Look at the disk of %s (dmesg, smartctl).", index);
}

static void advise_on_database(struct advice *a, const json_t *store, const char *error)
{
    if (json_is_true_in(store, "away")) {
        write_text(a->text, "The database can't be reached: all requests are refused.");
        write_text(a->mend, "Look at the database, and at the way there: the index's log says what "
                            "fails.");
        add(a, CRITICAL, UNKNOWN);
    } else if (json_is_true_in(store, "refuses_changes")) {
        write_text(a->text, "The database can only be read: all changes are refused.");
        write_text(a->mend, "Look at the index's log, which says why: the database has too few "
                            "connections, perhaps, or no standby.");
        add(a, CRITICAL, UNKNOWN);
    } else if (*error != '\0') {
        write_text(a->text, "The database refuses changes: %s.", error);
        write_text(a->mend, "Look at the log of the database and at its disk.");
        add(a, CRITICAL, UNKNOWN);
    }
}

static void advise_on_store(struct advice *a)
{
    const json_t *store = json_object_get(a->status, "store");
    const char *journal = json_text_in(json_object_get(a->status, "journal"), "error");
    const char *checkpoint = json_text_in(json_object_get(a->status, "checkpoint"), "error");

    if (strcmp(json_text_in(store, "engine"), "postgres") == 0) {
        advise_on_database(a, store, journal);
        return;
    }
    if (*journal != '\0') {
        write_text(a->text, "The index refuses changes, since it can't write its journal: %s.",
                   journal);
        mend_disk(a, journal);
        add(a, CRITICAL, UNKNOWN);
    }
    if (*checkpoint != '\0') {
        write_text(a->text, "The last checkpoint failed, so the journal grows: %s.", checkpoint);
        mend_disk(a, checkpoint);
        add(a, WARNING, UNKNOWN);
    }
}

/* --- Volumes ---------------------------------------------------------------------------------- */

static bool is_used(const json_t *volume)
{
    return json_is_true_in(volume, "used");
}

static bool has_state(const json_t *volume, const char *state)
{
    return strcmp(json_text_in(volume, "state"), state) == 0;
}

static bool is_down(const json_t *volume)
{
    return is_used(volume) && has_state(volume, "down");
}

/* Drained, or off the list: taken away on purpose, or not yet empty. */
static bool is_gone(const json_t *volume)
{
    return !is_used(volume) && has_state(volume, "down");
}

static bool is_read_only(const json_t *volume)
{
    return has_state(volume, "read-only");
}

static bool is_full(const json_t *volume)
{
    return is_used(volume) && has_state(volume, "full");
}

static bool is_nearly_full(const json_t *volume)
{
    int64_t total = json_number_in(volume, "total_bytes");
    int64_t left = json_number_in(volume, "free_bytes");

    return is_used(volume) && has_state(volume, "up") && total > 0 && left >= 0 &&
           left < total / SPACE_LEFT;
}

/* It answers, but failed of late (volumes.c). */
static bool is_paused(const json_t *volume)
{
    return has_state(volume, "up") && *json_text_in(volume, "reason") != '\0';
}

static void mend_down(struct advice *a, const json_t *volume)
{
    const char *reason = volume != NULL ? json_text_in(volume, "reason") : "";
    int64_t after = json_number_in(json_object_get(a->status, "healing"), "repair_after_ms");
    char text[QUANTITY_TEXT_MAX];
    size_t n;

    if (strstr(reason, "secret-file") != NULL)
        write_text(a->mend, "Give the index and the volume the same --secret-file, and set the "
                            "clocks of both machines.");
    else if (strstr(reason, "TLS") != NULL || strstr(reason, "certificate") != NULL)
        write_text(a->mend, "Compare --tls-cert and --tls-ca of the index and the volume, and "
                            "how the index is told the volume's name.");
    else if (strstr(reason, "another name") != NULL)
        write_text(a->mend, "List each volume by one name only.");
    else
        write_text(a->mend, "See whether %s up, and whether `mkv volume` runs there.",
                   volume != NULL ? "its machine is" : "their machines are");
    n = strlen(a->mend);
    if (after > 0)
        snprintf(a->mend + n, TEXT_MAX - n,
                 " What is away for %s has its copies made elsewhere; `mkv forget` gives up a "
                 "volume that is gone for good.",
                 quantity_duration(after, text));
}

static void mend_gone(struct advice *a, const json_t *volume)
{
    (void)volume;
    write_text(a->mend, "Nothing is to be done about what was emptied (`mkv drain`) and taken "
                        "away. Else bring it back, or give its copies up with `mkv forget`.");
}

static void mend_full(struct advice *a, const json_t *volume)
{
    (void)volume;
    write_text(a->mend, "Add volumes and run `mkv rebalance`, or make room on the disk.");
}

static void mend_read_only(struct advice *a, const json_t *volume)
{
    (void)volume;
    write_text(a->mend, "Look at the disk there (dmesg, mount). Once it is well the volume takes "
                        "values again by itself; one that was started read-only has to be "
                        "started again.");
}

static void mend_paused(struct advice *a, const json_t *volume)
{
    (void)volume;
    write_text(a->mend, "Read the log of that `mkv volume`.");
}

/* A trouble that volumes have. */
static const struct trouble {
    bool (*has)(const json_t *volume);
    const char *words; /* "is WORDS", "are WORDS" */
    bool is_state;     /* that it has since its "since_ms" */
    enum level level;
    void (*mend)(struct advice *a, const json_t *volume); /* NULL for several */
} troubles[] = {
    {is_down, "down", true, WARNING, mend_down},
    {is_gone, "down, and takes no new values", true, NOTE, mend_gone},
    {is_read_only, "read-only", true, WARNING, mend_read_only},
    {is_full, "full", true, WARNING, mend_full},
    {is_nearly_full, "nearly full", false, NOTE, mend_full},
    {is_paused, "up but failed of late", false, WARNING, mend_paused},
};

static void advise_on_volume(struct advice *a, const struct trouble *trouble, const json_t *volume)
{
    const char *reason = json_text_in(volume, "reason");
    char text[QUANTITY_TEXT_MAX];

    if (trouble->has == is_nearly_full)
        write_text(a->text, "Volume %s is nearly full: %s left.", json_text_in(volume, "name"),
                   quantity_size((double)json_number_in(volume, "free_bytes"), text));
    else
        write_text(a->text, "Volume %s is %s%s%s.", json_text_in(volume, "name"), trouble->words,
                   *reason != '\0' ? ": " : "", reason);
    trouble->mend(a, volume);
    add(a, trouble->level, trouble->is_state ? json_number_in(volume, "since_ms") : UNKNOWN);
}

/* "17 of 900 volumes are down: a:1, b:1, c:1 and others." */
static void advise_on_many(struct advice *a, const struct trouble *trouble, size_t n)
{
    const json_t *volumes = json_object_get(a->status, "volumes");
    const json_t *volume;
    int64_t since = INT64_MAX;
    size_t named = 0;
    size_t len;
    size_t i;

    write_text(a->text, "%zu of %zu volumes are %s", n, json_array_size(volumes), trouble->words);
    json_array_foreach(volumes, i, volume)
    {
        int64_t begun = json_number_in(volume, "since_ms");

        if (!trouble->has(volume))
            continue;
        since = begun > 0 && begun < since ? begun : since;
        len = strlen(a->text);
        if (named++ < NAMED)
            snprintf(a->text + len, TEXT_MAX - len, "%s %s", named == 1 ? ":" : ",",
                     json_text_in(volume, "name"));
    }
    len = strlen(a->text);
    snprintf(a->text + len, TEXT_MAX - len, " and others.");
    trouble->mend(a, NULL);
    add(a, trouble->level, trouble->is_state && since != INT64_MAX ? since : UNKNOWN);
}

static size_t count(const struct advice *a, bool (*has)(const json_t *volume))
{
    const json_t *volume;
    size_t n = 0;
    size_t i;

    json_array_foreach(json_object_get(a->status, "volumes"), i, volume)
    {
        n += has(volume);
    }
    return n;
}

static void advise_on_trouble(struct advice *a, const struct trouble *trouble)
{
    size_t n = count(a, trouble->has);
    const json_t *volume;
    size_t i;

    if (n > NAMED) {
        advise_on_many(a, trouble, n);
        return;
    }
    json_array_foreach(json_object_get(a->status, "volumes"), i, volume)
    {
        if (trouble->has(volume))
            advise_on_volume(a, trouble, volume);
    }
}

static bool takes_values(const json_t *volume)
{
    return is_used(volume) && has_state(volume, "up");
}

static bool is_unknown(const json_t *volume)
{
    return has_state(volume, "unknown");
}

/* Volumes that aren't known yet may be well. */
static void advise_on_writes(struct advice *a)
{
    int64_t wanted = json_number_in(a->status, "replicas");
    size_t n = count(a, takes_values);

    if (wanted <= 0 || n >= (size_t)wanted || count(a, is_unknown) > 0)
        return;
    write_text(a->text,
               "New values are refused: each goes to %" PRId64 " volume%s, and %zu can take any.",
               wanted, wanted == 1 ? "" : "s", n);
    write_text(a->mend, "Bring volumes back, or list more.");
    add(a, CRITICAL, UNKNOWN);
}

static void advise_on_volumes(struct advice *a)
{
    advise_on_writes(a);
    for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++)
        advise_on_trouble(a, &troubles[i]);
    if (json_is_true_in(json_object_get(a->status, "healing"), "held")) {
        write_text(a->text, "More than half of the volumes are away, so no copies are made "
                            "elsewhere.");
        write_text(a->mend, "Look at the network between the index and its volumes.");
        add(a, WARNING, UNKNOWN);
    }
}

static void advise_on_zones(struct advice *a)
{
    const json_t *zones = json_object_get(a->status, "zones");
    int64_t keys = json_number_in(zones, "keys_sharing");

    if (json_number_in(zones, "count") < 2 || keys <= 0)
        return;
    write_text(a->text, "The copies of %" PRId64 " key%s share a zone.", keys,
               keys == 1 ? "" : "s");
    write_text(a->mend, "Run `mkv rebalance` once the volumes of all zones are up.");
    add(a, NOTE, UNKNOWN);
}

/* --- Jobs ------------------------------------------------------------------------------------- */

static int64_t ended_at(const json_t *job)
{
    return json_number_in(job, "started_ms") + json_number_in(job, "elapsed_ms");
}

/* What has become of it says more than what an earlier one has found. */
static bool has_later(const json_t *jobs, const json_t *job)
{
    const json_t *other;
    size_t i;

    json_array_foreach(jobs, i, other)
    {
        if (json_number_in(other, "job") > json_number_in(job, "job") &&
            strcmp(json_text_in(other, "kind"), json_text_in(job, "kind")) == 0 &&
            strcmp(json_text_in(other, "state"), "canceled") != 0)
            return true;
    }
    return false;
}

static void mend_job(struct advice *a, const json_t *job)
{
    const char *kind = json_text_in(job, "kind");

    if (strcmp(kind, "heal") == 0 || strcmp(kind, "scrub") == 0)
        write_text(a->mend, "Run `mkv verify --repair` once all volumes are up.");
    else if (strcmp(kind, "verify") == 0 && strstr(json_text_in(job, "text"), "away") != NULL)
        write_text(a->mend, "Bring the volumes back that are away, or give them up with `mkv "
                            "forget`. Then run `mkv verify --repair`.");
    else if (strcmp(kind, "verify") == 0)
        write_text(a->mend,
                   "Run `mkv verify --repair`, with --remove-orphans for blobs without a key, "
                   "unless this index was restored from an old dump: then they are values.");
    else if (*json_text_in(job, "volume") != '\0')
        write_text(a->mend, "Run `mkv %s %s` again; it goes on where it ended.", kind,
                   json_text_in(job, "volume"));
    else
        write_text(a->mend, "Run `mkv %s` again; it goes on where it ended.", kind);
}

static void advise_on_job(struct advice *a, const json_t *job)
{
    const char *kind = json_text_in(job, "kind");
    const char *state = json_text_in(job, "state");
    bool looks_after_copies =
        strcmp(kind, "verify") == 0 || strcmp(kind, "heal") == 0 || strcmp(kind, "scrub") == 0;

    if (strcmp(state, "failed") == 0)
        write_text(a->text, "Job %" PRId64 ", %s, failed: %s.", json_number_in(job, "job"), kind,
                   json_text_in(job, "text"));
    else if (strcmp(state, "done") == 0 && looks_after_copies && !json_is_true_in(job, "clean"))
        write_text(a->text, "Job %" PRId64 ", %s, found what isn't well: %s.",
                   json_number_in(job, "job"), kind, json_text_in(job, "text"));
    else
        return;
    mend_job(a, job);
    add(a, WARNING, ended_at(job));
}

static void advise_on_jobs(struct advice *a)
{
    const json_t *jobs = json_object_get(a->status, "jobs");
    const json_t *job;
    size_t i;

    json_array_foreach(jobs, i, job)
    {
        if (!has_later(jobs, job))
            advise_on_job(a, job);
    }
}

/* --- The certificate -------------------------------------------------------------------------- */

static void advise_on_certificate(struct advice *a)
{
    const json_t *certificate = json_object_get(a->status, "certificate");
    int64_t left = json_number_in(certificate, "expires_ms") - a->now;
    char text[QUANTITY_TEXT_MAX];

    if (!json_is_object(certificate) || left > TLS_WARN_DAYS * (int64_t)DAY_MS)
        return;
    if (left <= 0)
        write_text(a->text, "The certificate %s expired %s ago.", json_text_in(certificate, "file"),
                   quantity_duration(-left, text));
    else
        write_text(a->text, "The certificate %s expires in %s.", json_text_in(certificate, "file"),
                   quantity_duration(left, text));
    write_text(a->mend, "Renew it, and send `mkv index` a HUP.");
    add(a, left <= 0 ? CRITICAL : WARNING, UNKNOWN);
}

json_t *advice_of(const json_t *status, int64_t now)
{
    struct advice a = {.status = status, .now = now};
    json_t *all = json_array();

    for (unsigned i = 0; i < LEVELS; i++)
        a.lists[i] = json_array();
    advise_on_store(&a);
    advise_on_certificate(&a);
    advise_on_volumes(&a);
    advise_on_jobs(&a);
    advise_on_zones(&a);
    for (unsigned i = LEVELS; i > 0; i--) {
        if (json_array_extend(all, a.lists[i - 1]) < 0)
            a.has_failed = true;
        json_decref(a.lists[i - 1]);
    }
    if (!a.has_failed)
        return all;
    json_decref(all);
    return NULL;
}
