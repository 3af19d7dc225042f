#include "launcher/commands/job_line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/text.h"

static uint64_t number(const json_t *json, const char *name)
{
    const json_t *value = json_object_get(json, name);

    return json_is_integer(value) && json_integer_value(value) > 0
               ? (uint64_t)json_integer_value(value)
               : 0;
}

static bool is_true(const json_t *json, const char *name)
{
    return json_is_true(json_object_get(json, name));
}

/* What isn't UTF-8 comes as an object; that is what it stands for, percent-encoded. */
static const json_t *string_of(const json_t *value)
{
    return json_is_object(value) ? json_object_get(value, "percent") : value;
}

static void copy(const json_t *json, const char *name, char *out, size_t size)
{
    const json_t *value = string_of(json_object_get(json, name));
    size_t n = 0;

    if (json_is_string(value))
        n = text_printable(json_string_value(value), json_string_length(value), out, size - 1);
    out[n] = '\0';
}

/* Those that don't fit are left out. */
static void copy_counts(const json_t *counts, char out[JOB_LINE_COUNTS_MAX])
{
    char name[JOB_LINE_WORD_MAX];
    const char *key;
    json_t *value;
    size_t n = 0;

    out[0] = '\0';
    json_object_foreach((json_t *)counts, key, value)
    {
        size_t len = text_printable(key, strlen(key), name, sizeof(name));
        int more = snprintf(out + n, JOB_LINE_COUNTS_MAX - n, "%s%.*s %lld", n > 0 ? ", " : "",
                            (int)len, name, (long long)json_integer_value(value));

        if (more < 0 || n + (size_t)more >= JOB_LINE_COUNTS_MAX) {
            out[n] = '\0';
            return;
        }
        n += (size_t)more;
    }
}

static void read_options(const json_t *json, struct job_options *options)
{
    *options = (struct job_options){
        .dry_run = is_true(json, "dry_run"),
        .undo = is_true(json, "undo"),
        .deep = is_true(json, "deep"),
        .repair = is_true(json, "repair"),
        .remove_orphans = is_true(json, "remove_orphans"),
        .jobs = (unsigned)number(json, "jobs"),
        .rate = number(json, "rate"),
    };
}

int job_line_read(const json_t *json, struct job_line *line)
{
    if (number(json, "job") == 0 || !json_is_string(json_object_get(json, "state")))
        return -EPROTO;
    *line = (struct job_line){
        .id = number(json, "job"),
        .done = number(json, "done"),
        .total = number(json, "total"),
        .bytes = number(json, "bytes"),
        .started_ms = number(json, "started_ms"),
        .elapsed_ms = number(json, "elapsed_ms"),
        .findings_left_out = number(json, "findings_left_out"),
        .is_clean = is_true(json, "clean"),
        .is_automatic = is_true(json, "automatic"),
        .is_held = is_true(json, "held"),
    };
    copy(json, "kind", line->kind, sizeof(line->kind));
    copy(json, "volume", line->volume, sizeof(line->volume));
    copy(json, "state", line->state, sizeof(line->state));
    copy(json, "phase", line->phase, sizeof(line->phase));
    copy(json, "noun", line->noun, sizeof(line->noun));
    copy(json, "text", line->text, sizeof(line->text));
    line->is_running = strcmp(line->state, "running") == 0;
    line->is_canceled = strcmp(line->state, "canceled") == 0;
    line->is_failed = strcmp(line->state, "failed") == 0;
    read_options(json_object_get(json, "options"), &line->options);
    copy_counts(json_object_get(json, "counts"), line->counts);
    return 0;
}

const char *job_line_name(const struct job_line *line, char text[JOB_LINE_NAME_MAX])
{
    snprintf(text, JOB_LINE_NAME_MAX, "%s%s%s", line->kind, line->volume[0] != '\0' ? " " : "",
             line->volume);
    return text;
}

/* Nothing where the field isn't there. */
static int append_field(struct buf *out, const char *before, const json_t *json, const char *name)
{
    const json_t *value = string_of(json_object_get(json, name));
    size_t len = json_string_length(value);
    size_t n;

    if (!json_is_string(value))
        return 0;
    if (buf_append_string(out, before) < 0 || buf_reserve(out, 4 * len + 1) < 0)
        return -ENOMEM;
    n = text_printable(json_string_value(value), len, out->data + out->tail, 4 * len);
    out->tail += n;
    return 0;
}

int job_line_append_finding(struct buf *out, const json_t *json)
{
    int rc;

    if (!json_is_string(json_object_get(json, "finding")))
        return -EPROTO;
    rc = append_field(out, "", json, "finding");
    if (rc == 0)
        rc = append_field(out, "  ", json, "key");
    if (rc == 0)
        rc = append_field(out, "  on ", json, "place");
    if (rc == 0)
        rc = append_field(out, ": ", json, "detail");
    return rc == 0 ? buf_append_string(out, "\n") : rc;
}
