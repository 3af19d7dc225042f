#include "index/maintenance/dump.h"

#include <stdbool.h>
#include <string.h>

#include "index/base/log.h"

/* 0, or UV_EINVAL when a place's volume has no name. */
static int find_volumes(struct dump *d, const struct place *places, unsigned n,
                        const char **volumes)
{
    for (unsigned i = 0; i < n; i++) {
        volumes[i] = store_volume_name(d->store, places[i].volume);
        if (volumes[i] == NULL)
            return UV_EINVAL;
    }
    return 0;
}

/* Whether there is room for another line; else where to go on. */
static bool has_room(struct dump *d, const void *key, size_t len, uint64_t generation)
{
    if (buf_size(d->out) < d->bytes)
        return true;
    d->next.len = len;
    memcpy(d->next.bytes, key, len);
    d->next_generation = generation;
    return false;
}

static int appended(int rc, const void *key, size_t len)
{
    if (rc == UV_EINVAL)
        log_error("the key %.*s has a record that can't be dumped", (int)len, (const char *)key);
    return rc;
}

static int key_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    const char *volumes[PLACES_MAX];
    struct dump *d = arg;
    int rc;

    if (!has_room(d, key, len, 0))
        return 1;
    rc = find_volumes(d, record->places, record->n_places, volumes);
    if (rc == 0)
        rc = dump_append_record(d->out, key, len, record, volumes);
    if (rc == 0)
        dump_count(&d->counts, record);
    return appended(rc, key, len);
}

static int orphan_cb(const void *key, size_t len, uint64_t generation, const struct orphan *orphan,
                     void *arg)
{
    const char *volumes[ORPHAN_PLACES_MAX];
    struct dump *d = arg;
    int rc;

    if (!has_room(d, key, len, generation))
        return 1;
    if (d->skip_orphan_cb != NULL && d->skip_orphan_cb(key, len, generation, d->arg))
        return 0;
    rc = find_volumes(d, orphan->places, orphan->n_places, volumes);
    if (rc == 0)
        rc = dump_append_orphan(d->out, key, len, generation, orphan, volumes);
    if (rc == 0)
        d->counts.orphans++;
    return appended(rc, key, len);
}

static int fill(struct dump *d)
{
    int rc = 0;

    if (!d->begun)
        rc = dump_append_header(d->out);
    d->begun = true;
    if (rc == 0 && d->space == STORE_KEYS) {
        rc = store_list(d->store, "", 0, d->next.bytes, d->next.len, key_cb, d);
        if (rc != 0)
            return rc;
        d->space = STORE_ORPHANS;
        d->next.len = 0;
    }
    if (rc == 0)
        rc = store_list_orphans(d->store, d->next.bytes, d->next.len, d->next_generation, false,
                                orphan_cb, d);
    return rc == 0 ? dump_append_end(d->out, &d->counts) : rc;
}

int dump_fill(struct dump *dump, struct buf *out, size_t bytes)
{
    int rc;

    dump->out = out;
    dump->bytes = bytes;
    rc = fill(dump);
    if (rc == UV_ENOMEM)
        log_error("the dump breaks off: out of memory");
    return rc;
}
