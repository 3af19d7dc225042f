#include "index/maintenance/drained.h"

#include <string.h>

#include "index/base/log.h"
#include "index/base/small_file.h"

#define FILE_MAX ((size_t)VOLUMES_MAX * VOLUME_ADDRESS_MAX)

static int failed(const struct objects *o, const char *verb, int rc)
{
    log_error("cannot %s %s/" DRAINED_FILE ": %s", verb, o->directory, uv_strerror(rc));
    return rc;
}

int drained_load(struct objects *o)
{
    struct volumes *volumes = places_volumes(o->places);
    struct buf text = {0};
    int rc = small_file_read(o->directory, DRAINED_FILE, FILE_MAX, &text);
    char *line;
    char *rest;

    if (rc == 0)
        rc = buf_append(&text, "", 1);
    for (line = rc == 0 ? strtok_r((char *)buf_bytes(&text), "\n", &rest) : NULL; line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        struct volume *volume = volumes_find(volumes, line, strlen(line));

        if (volume != NULL)
            places_drain(o->places, volume, true);
    }
    buf_deinit(&text);
    return rc == 0 || rc == UV_ENOENT ? 0 : failed(o, "read", rc);
}

static int save(const struct objects *o)
{
    struct volumes *volumes = places_volumes(o->places);
    struct buf text = {0};
    int rc = 0;

    for (size_t i = 0; i < volumes_count(volumes) && rc == 0; i++) {
        const struct volume *volume = volumes_at(volumes, i);

        if (volume->is_drained)
            rc = buf_append_format(&text, "%s\n", volume->name);
    }
    if (rc == 0)
        rc = small_file_replace(o->directory, DRAINED_FILE, buf_bytes(&text), buf_size(&text));
    buf_deinit(&text);
    return rc < 0 ? failed(o, "write", rc) : 0;
}

int drained_set(struct objects *o, struct volume *volume, bool drained)
{
    int rc;

    if (volume->is_drained == drained)
        return 0;
    places_drain(o->places, volume, drained);
    rc = save(o);
    if (rc < 0)
        places_drain(o->places, volume, !drained);
    return rc;
}
