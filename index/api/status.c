#include "index/api/status.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "index/base/json.h"

static int append_error(struct buf *out, int error)
{
    if (error == 0)
        return buf_append_string(out, ",\"error\":null}");
    return buf_append_format(out, ",\"error\":\"%s\"}", uv_strerror(error));
}

static int append_process(struct buf *out, const struct admin *admin)
{
    int rc = buf_append_format(
        out, "{\"version\":\"" MKV_VERSION "\",\"pid\":%ld,\"index\":", (long)getpid());

    if (rc == 0)
        rc = json_append_bytes(out, admin->directory, strlen(admin->directory));
    return rc < 0 ? rc
                  : buf_append_format(out, ",\"uptime_ms\":%" PRIu64,
                                      (uv_hrtime() - admin->started) / 1000000);
}

static int append_sizes(struct buf *out, const struct store_stats *s)
{
    return buf_append_format(out,
                             ",\"keys\":%" PRIu64 ",\"unlinked\":%" PRIu64 ",\"orphans\":%" PRIu64
                             ",\"table\":{\"bytes\":%" PRIu64 "},\"memtable\":{\"bytes\":%" PRIu64
                             "}",
                             s->keys, s->unlinked, s->orphans, s->table_bytes, s->memory_bytes);
}

static int append_checkpoint(struct buf *out, const struct store_stats *s)
{
    int rc = buf_append_format(out, ",\"checkpoint\":{\"running\":%s,\"count\":%" PRIu64,
                               s->checkpoint_running ? "true" : "false", s->checkpoints);

    if (rc == 0 && s->checkpoint_time > 0)
        rc = buf_append_format(out, ",\"last_ms\":%" PRIu64, s->checkpoint_time);
    else if (rc == 0)
        rc = buf_append_string(out, ",\"last_ms\":null");
    if (rc == 0)
        rc = buf_append_format(out, ",\"took_ms\":%" PRIu64, s->checkpoint_ms);
    return rc < 0 ? rc : append_error(out, s->checkpoint_error);
}

static int append_journal(struct buf *out, const struct store_stats *s)
{
    int rc = buf_append_format(out,
                               ",\"journal\":{\"segments\":%" PRIu64 ",\"bytes\":%" PRIu64
                               ",\"pending_bytes\":%" PRIu64 ",\"sync\":%s",
                               s->segments, s->journal_bytes, s->pending_bytes,
                               s->sync ? "true" : "false");

    return rc < 0 ? rc : append_error(out, s->journal_error);
}

static int append_free(struct buf *out, const struct volume *volume)
{
    if (volume->total_bytes == UINT64_MAX)
        return buf_append_string(out, ",\"total_bytes\":null,\"free_bytes\":null");
    return buf_append_format(out, ",\"total_bytes\":%" PRIu64 ",\"free_bytes\":%" PRIu64,
                             volume->total_bytes, volume->free_bytes);
}

static int append_volume(struct buf *out, const struct volume *volume)
{
    int rc = buf_append_string(out, "{\"name\":");

    if (rc == 0)
        rc = json_append_bytes(out, volume->name, strlen(volume->name));
    if (rc == 0)
        rc = buf_append_format(out, ",\"state\":\"%s\",\"since_ms\":%" PRIu64 ",\"reason\":",
                               volume_state_name(volume->state), volume->since);
    if (rc == 0)
        rc = json_append_bytes(out, volume->reason, strlen(volume->reason));
    if (rc == 0)
        rc = buf_append_string(out, ",\"identity\":");
    if (rc == 0)
        rc = json_append_bytes(out, volume->identity, strlen(volume->identity));
    if (rc == 0)
        rc = append_free(out, volume);
    return rc < 0 ? rc
                  : buf_append_format(out, ",\"used\":%s}", volume->is_listed ? "true" : "false");
}

static int append_volumes(struct buf *out, const struct api *api)
{
    struct volumes *volumes = replicas_volumes(api->replicas);
    int rc = buf_append_string(out, ",\"volumes\":[");

    for (size_t i = 0; rc == 0 && i < volumes_count(volumes); i++) {
        if (i > 0)
            rc = buf_append_string(out, ",");
        if (rc == 0)
            rc = append_volume(out, volumes_at(volumes, i));
    }
    return rc < 0 ? rc : buf_append_string(out, "]}\n");
}

int status_append(struct buf *out, const struct admin *admin)
{
    struct store_stats stats;
    int rc;

    store_stats(admin->api->store, &stats);
    rc = append_process(out, admin);
    if (rc == 0)
        rc = append_sizes(out, &stats);
    if (rc == 0)
        rc = append_checkpoint(out, &stats);
    if (rc == 0)
        rc = append_journal(out, &stats);
    return rc < 0 ? rc : append_volumes(out, admin->api);
}
