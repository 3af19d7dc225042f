#include "index/maintenance/drained.h"

#include <assert.h>
#include <string.h>

#include "index/base/log.h"
#include "index/objects/spread.h"

static_assert((size_t)VOLUMES_MAX * VOLUME_ADDRESS_MAX <= STORE_NOTE_MAX, "all can be drained");

/* The next line of the note, from *at on, without its end; *at is after it. False: there is none.
 */
static bool take_line(const struct buf *note, size_t *at, const char **line, size_t *len)
{
    const char *end;

    if (*at >= buf_size(note))
        return false;
    *line = buf_bytes(note) + *at;
    end = memchr(*line, '\n', buf_size(note) - *at);
    *len = end != NULL ? (size_t)(end - *line) : buf_size(note) - *at;
    *at += *len + 1;
    return true;
}

static bool is_of(const char *line, size_t len, const struct volume *volume)
{
    return volume_names_meet(volume->name, strlen(volume->name), line, len);
}

static bool has(const struct buf *note, const struct volume *volume)
{
    const char *line;
    size_t len;
    size_t at = 0;

    while (take_line(note, &at, &line, &len)) {
        if (is_of(line, len, volume))
            return true;
    }
    return false;
}

int drained_load(struct objects *o)
{
    struct volumes *volumes = places_volumes(o->places);
    struct buf note = {0};
    int rc = store_get_note(o->store, DRAINED_NOTE, &note);
    bool changed = false;

    if (rc < 0)
        log_error("cannot read which volumes are drained: %s", uv_strerror(rc));
    for (size_t i = 0; rc == 0 && i < volumes_count(volumes); i++) {
        struct volume *volume = volumes_at(volumes, i);
        bool drained = has(&note, volume);

        if (volume->is_drained == drained)
            continue;
        places_drain(o->places, volume, drained);
        changed = true;
    }
    if (changed && o->spread != NULL)
        spread_restart(o->spread);
    buf_deinit(&note);
    return rc;
}

/* Lines of volumes that this index doesn't know are others', and stay. */
static int make_note(const struct buf *was, const struct volume *volume, bool drained,
                     struct buf *note)
{
    const char *line;
    size_t len;
    size_t at = 0;
    int rc = 0;

    while (rc == 0 && take_line(was, &at, &line, &len)) {
        if (!is_of(line, len, volume))
            rc = buf_append_format(note, "%.*s\n", (int)len, line);
    }
    if (rc == 0 && drained)
        rc = buf_append_format(note, "%s\n", volume->name);
    return rc;
}

int drained_put(struct objects *o, struct store_reading *reading, const struct volume *volume,
                bool drained, store_put_note_cb done)
{
    struct buf was = {0};
    struct buf note = {0};
    int rc = store_get_note(o->store, DRAINED_NOTE, &was);

    if (rc == 0 && has(&was, volume) != drained) {
        rc = make_note(&was, volume, drained, &note);
        if (rc == 0 && buf_size(&note) > STORE_NOTE_MAX)
            rc = UV_E2BIG;
        if (rc == 0)
            rc = store_put_note(o->store, reading,
                                &(struct store_note){.name = DRAINED_NOTE,
                                                     .was = buf_bytes(&was),
                                                     .was_len = buf_size(&was),
                                                     .value = buf_bytes(&note),
                                                     .len = buf_size(&note)},
                                done);
    }
    buf_deinit(&was);
    buf_deinit(&note);
    return rc;
}
