#include "index/admin/status.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index/base/json.h"
#include "index/objects/spread.h"

/* Text of ours or from a volume, which takes care that it can be printed; else as keys are. */
static json_t *text_of(const char *text)
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

static json_t *number_of(uint64_t value)
{
    return json_integer((json_int_t)value);
}

/* null for `none`. */
static json_t *number_unless(uint64_t value, uint64_t none)
{
    return value == none ? json_null() : number_of(value);
}

static json_t *error_of(int error)
{
    return error == 0 ? json_null() : json_string(uv_strerror(error));
}

static json_t *checkpoint_of(const struct store_stats *s)
{
    return json_pack("{s:b, s:o, s:o, s:o, s:o}", "running", (int)s->checkpoint_running, "count",
                     number_of(s->checkpoints), "last_ms", number_unless(s->checkpoint_time, 0),
                     "took_ms", number_of(s->checkpoint_ms), "error",
                     error_of(s->checkpoint_error));
}

static json_t *journal_of(const struct store_stats *s)
{
    return json_pack("{s:o, s:o, s:o, s:b, s:o}", "segments", number_of(s->segments), "bytes",
                     number_of(s->journal_bytes), "pending_bytes", number_of(s->pending_bytes),
                     "sync", (int)s->sync, "error", error_of(s->journal_error));
}

static json_t *volume_of(const struct volume *volume)
{
    return json_pack(
        "{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:i}", "name", text_of(volume->name),
        "state", volume_state_name(volume->state), "since_ms", number_of(volume->since), "reason",
        text_of(volume->reason), "identity", text_of(volume->identity), "total_bytes",
        number_unless(volume->total_bytes, UINT64_MAX), "free_bytes",
        number_unless(volume->total_bytes == UINT64_MAX ? UINT64_MAX : volume->free_bytes,
                      UINT64_MAX),
        "used", (int)volume->is_listed, "zone", text_of(volume->zone), "weight",
        (int)volume->weight);
}

static json_t *volumes_of(struct volumes *volumes)
{
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < volumes_count(volumes); i++) {
        if (json_array_append_new(list, volume_of(volumes_at(volumes, i))) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *zones_of(const struct objects *o)
{
    uint64_t keys = UINT64_MAX;
    uint64_t age = UINT64_MAX;

    spread_get(o->spread, &keys, &age);
    return json_pack("{s:i, s:o, s:o}", "count", (int)places_zones(o->places), "keys_sharing",
                     number_unless(keys, UINT64_MAX), "age_ms", number_unless(age, UINT64_MAX));
}

/* json_pack() lets go of all that it was given when any of it is NULL, for want of memory. */
static json_t *status_of(const struct admin *admin)
{
    struct store_stats s;

    store_stats(admin->objects->store, &s);
    return json_pack(
        "{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:{s:o}, s:{s:o}, s:o, s:o, s:o, s:o}", "version",
        MKV_VERSION, "pid", (int)getpid(), "index", text_of(admin->directory), "uptime_ms",
        number_of((uv_hrtime() - admin->started) / 1000000), "keys", number_of(s.keys), "unlinked",
        number_of(s.unlinked), "orphans", number_of(s.orphans), "table", "bytes",
        number_of(s.table_bytes), "memtable", "bytes", number_of(s.memory_bytes), "checkpoint",
        checkpoint_of(&s), "journal", journal_of(&s), "volumes",
        volumes_of(places_volumes(admin->objects->places)), "zones", zones_of(admin->objects));
}

int status_append(struct buf *out, const struct admin *admin)
{
    json_t *status = status_of(admin);
    char *text = status != NULL ? json_dumps(status, JSON_COMPACT) : NULL;
    int rc = -ENOMEM;

    if (text != NULL && buf_append_string(out, text) == 0)
        rc = buf_append_string(out, "\n");
    free(text);
    json_decref(status);
    return rc;
}
