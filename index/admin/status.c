#include "index/admin/status.h"

#include <unistd.h>

#include "index/admin/advice.h"
#include "index/admin/json_values.h"
#include "index/base/clock.h"
#include "index/base/json.h"
#include "index/maintenance/backup_key.h"
#include "index/maintenance/healer.h"
#include "index/objects/spread.h"

static json_t *error_of(int error)
{
    return error == 0 ? json_null() : json_string(uv_strerror(error));
}

static json_t *checkpoint_of(const struct store_stats *s)
{
    return json_pack("{s:b, s:o, s:o, s:o, s:o}", "running", (int)s->checkpoint_running, "count",
                     json_of_number(s->checkpoints), "last_ms", json_unless(s->checkpoint_time, 0),
                     "took_ms", json_of_number(s->checkpoint_ms), "error",
                     error_of(s->checkpoint_error));
}

static json_t *journal_of(const struct store_stats *s)
{
    return json_pack("{s:o, s:o, s:o, s:b, s:o}", "segments", json_of_number(s->segments), "bytes",
                     json_of_number(s->journal_bytes), "pending_bytes",
                     json_of_number(s->pending_bytes), "sync", (int)s->sync, "error",
                     error_of(s->journal_error));
}

static json_t *sharing_of(const struct store *store, const struct store_stats *s)
{
    return json_pack("{s:s, s:b, s:b, s:i, s:b}", "engine", store->engine->name, "away",
                     (int)s->is_away, "refuses_changes", (int)s->refuses_changes, "indexes",
                     (int)s->indexes, "leads", (int)store_leads(store));
}

static json_t *backup_of(const struct backups *b)
{
    bool none = b->n == 0;

    return json_pack("{s:o, s:o, s:o}", "count", json_of_number(b->n), "last_ms",
                     json_unless(none ? UINT64_MAX : b->newest, UINT64_MAX), "bytes",
                     json_unless(none ? UINT64_MAX : b->newest_bytes, UINT64_MAX));
}

static json_t *volume_of(const struct volume *volume)
{
    return json_pack(
        "{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:o, s:i}", "name",
        json_of_text(volume->name), "state", volume_state_name(volume->state), "since_ms",
        json_of_number(volume->since), "reason", json_of_text(volume->reason), "identity",
        json_of_text(volume->identity), "total_bytes", json_unless(volume->total_bytes, UINT64_MAX),
        "free_bytes",
        json_unless(volume->total_bytes == UINT64_MAX ? UINT64_MAX : volume->free_bytes,
                    UINT64_MAX),
        "used", (int)(volume->is_listed && !volume->is_drained), "drained", (int)volume->is_drained,
        "zone", json_of_text(volume->zone), "weight", (int)volume->weight);
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
                     json_unless(keys, UINT64_MAX), "age_ms", json_unless(age, UINT64_MAX));
}

static json_t *healing_of(const struct objects *o)
{
    struct healer_state state;

    healer_state(o->healer, &state);
    return json_pack("{s:o, s:o, s:b, s:o, s:o}", "repair_after_ms",
                     json_of_number(state.options.repair_after), "verify_every_ms",
                     json_of_number(state.options.verify_every), "held", (int)state.held,
                     "verify_begun_ms", json_unless(state.verify_begun, 0), "verified_ms",
                     json_unless(state.verified, 0));
}

static json_t *certificate_of(const struct admin_certificate *c)
{
    if (c->path == NULL)
        return json_null();
    return json_pack("{s:o, s:I}", "file", json_of_text(c->path), "expires_ms",
                     (json_int_t)c->expires * 1000);
}

/* json_pack() lets go of all that it was given when any of it is NULL, for want of memory. */
static json_t *status_of(const struct admin *admin)
{
    struct store_stats s;
    uint64_t hidden = 0;

    store_stats(admin->objects->store, &s);
    objects_hidden(admin->objects, &hidden);
    return json_pack(
        "{s:s, s:i, s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:{s:o}, s:{s:o}, s:o, s:o, s:o, "
        "s:o, s:o, s:o, s:o, s:o}",
        "version", MKV_VERSION, "pid", (int)getpid(), "index", json_of_text(admin->directory),
        "replicas", (int)admin->objects->copies, "uptime_ms",
        json_of_number((uv_hrtime() - admin->started) / 1000000), "keys",
        json_of_number(s.keys > hidden ? s.keys - hidden : 0), "unlinked",
        json_of_number(s.unlinked), "orphans", json_of_number(s.orphans), "store",
        sharing_of(admin->objects->store, &s), "table", "bytes", json_of_number(s.table_bytes),
        "memtable", "bytes", json_of_number(s.memory_bytes), "checkpoint", checkpoint_of(&s),
        "journal", journal_of(&s), "volumes", volumes_of(places_volumes(admin->objects->places)),
        "zones", zones_of(admin->objects), "jobs", json_of_jobs(admin->jobs), "healing",
        healing_of(admin->objects), "backup",
        backup_of(backups_watch(admin->backups, admin->objects->store)), "certificate",
        certificate_of(admin->certificate));
}

json_t *status_make(const struct admin *admin)
{
    json_t *status = status_of(admin);

    if (json_object_set_new(status, "advice", advice_of(status, (int64_t)clock_now_ms())) == 0)
        return status;
    json_decref(status);
    return NULL;
}

int status_append(struct buf *out, const struct admin *admin)
{
    return json_append_line(out, status_make(admin));
}
