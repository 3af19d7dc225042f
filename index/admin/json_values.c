#include "index/admin/json_values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/json.h"

json_t *json_of_text(const char *text)
{
    json_t *string = json_string(text);
    struct buf percent = {0};

    if (string != NULL)
        return string;
    if (json_append_percent(&percent, text, strlen(text)) == 0)
        string = json_pack("{s:s#}", "percent", buf_bytes(&percent), (int)buf_size(&percent));
    buf_deinit(&percent);
    return string;
}

json_t *json_of_number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

json_t *json_unless(uint64_t value, uint64_t none)
{
    return value == none ? json_null() : json_of_number(value);
}

static json_t *counts_of(const struct job *job)
{
    json_t *counts = json_object();

    for (unsigned i = 0; counts != NULL && i < JOB_COUNTS_MAX && job->counts[i].name != NULL; i++) {
        if (json_object_set_new(counts, job->counts[i].name, json_of_number(job->counts[i].n)) <
            0) {
            json_decref(counts);
            return NULL;
        }
    }
    return counts;
}

static json_t *options_of(const struct job_options *o)
{
    return json_pack("{s:b, s:b, s:b, s:b, s:b, s:i, s:o}", "dry_run", (int)o->dry_run, "undo",
                     (int)o->undo, "deep", (int)o->deep, "repair", (int)o->repair, "remove_orphans",
                     (int)o->remove_orphans, "jobs", (int)o->jobs, "rate", json_of_number(o->rate));
}

json_t *json_of_job(const struct job *job)
{
    uint64_t until = job->state == JOB_RUNNING ? uv_now(job->objects->loop) : job->ended_at;

    return json_pack(
        "{s:o, s:s, s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:o, s:o, s:o, s:o, "
        "s:b, s:o}",
        "job", json_of_number(job->id), "kind", job->type->name, "volume",
        json_of_text(job->options.volume), "state", job_state_name(job->state), "phase", job->phase,
        "noun", job->type->noun, "done", json_of_number(job->done), "total",
        json_of_number(job->total), "bytes", json_of_number(job->bytes), "started_ms",
        json_of_number(job->started), "elapsed_ms", json_of_number(until - job->begun_at),
        "automatic", (int)job->options.is_automatic, "held", (int)job->is_held, "options",
        options_of(&job->options), "counts", counts_of(job), "findings",
        json_of_number(job->n_findings), "findings_left_out",
        json_of_number(job->findings_left_out), "clean", (int)job->is_clean, "text",
        json_of_text(job->text));
}

json_t *json_of_jobs(const struct jobs *jobs)
{
    json_t *list = json_array();
    const struct job *job = NULL;

    while (list != NULL && (job = jobs_next(jobs, job)) != NULL) {
        if (json_array_append_new(list, json_of_job(job)) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

int json_append_line(struct buf *out, json_t *value)
{
    char *text = value != NULL ? json_dumps(value, JSON_COMPACT) : NULL;
    int rc = -ENOMEM;

    if (text != NULL && buf_append_string(out, text) == 0)
        rc = buf_append_string(out, "\n");
    free(text);
    json_decref(value);
    return rc;
}

int64_t json_number_in(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return json_is_integer(value) ? json_integer_value(value) : -1;
}

const char *json_text_in(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    if (json_is_object(value))
        value = json_object_get(value, "percent");
    return json_is_string(value) ? json_string_value(value) : "";
}

bool json_is_true_in(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}
