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

static int append_orphan(struct dump *d, const void *key, size_t len, uint64_t generation,
                         const struct orphan *orphan)
{
    const char *volumes[ORPHAN_PLACES_MAX];
    int rc = find_volumes(d, orphan->places, orphan->n_places, volumes);

    if (rc == 0)
        rc = dump_append_orphan(d->out, key, len, generation, orphan, volumes);
    if (rc == 0)
        d->counts.orphans++;
    return appended(rc, key, len);
}

/* One that may be skipped is looked at before the next one is listed. */
static int orphan_cb(const void *key, size_t len, uint64_t generation, const struct orphan *orphan,
                     void *arg)
{
    struct dump *d = arg;

    if (!has_room(d, key, len, generation))
        return 1;
    if (d->skip_orphan_cb == NULL)
        return append_orphan(d, key, len, generation, orphan);
    d->orphan = *orphan;
    d->next.len = len;
    memcpy(d->next.bytes, key, len);
    d->next_generation = generation;
    return 1;
}

static void listed_cb(struct store_reading *reading, int rc);
static void looked_cb(struct store_reading *reading, int rc, const struct record *record);

/* After the last generation that there can be comes the next key: none is between one and itself
 * with a NUL. */
static void pass_orphan(struct dump *d)
{
    d->orphan.n_places = 0;
    if (d->next_generation++ == UINT64_MAX && d->next.len < sizeof(d->next.bytes))
        d->next.bytes[d->next.len++] = '\0';
}

/* The key of the orphan that is looked at was looked up. */
static int decide(struct dump *d, int rc, const struct record *record)
{
    const struct key *key = &d->next;
    bool is_named = rc == 0 && record->generation == d->next_generation;

    if (rc < 0 && rc != UV_ENOENT)
        return rc;
    rc = 0;
    if (!is_named && !d->skip_orphan_cb(key, d->next_generation, d->arg))
        rc = append_orphan(d, key->bytes, key->len, d->next_generation, &d->orphan);
    pass_orphan(d);
    return rc;
}

static int list_keys(struct dump *d)
{
    const struct store_range range = {.start = d->next.bytes, .start_len = d->next.len};

    return store_list(d->store, &d->reading, &range, key_cb, d, listed_cb);
}

/* Of a store that others write to, only what this index has: of another one's nobody here knows
 * whether it is about to be a value. */
static int list_orphans(struct dump *d)
{
    const struct store_orphan_range range = {.key = d->next.bytes,
                                             .len = d->next.len,
                                             .generation = d->next_generation,
                                             .mine = d->skip_orphan_cb != NULL,
                                             .want = d->skip_orphan_cb != NULL ? 1 : 0};

    return store_list_orphans(d->store, &d->reading, &range, orphan_cb, d, listed_cb);
}

static int look_up(struct dump *d)
{
    struct record record;
    int rc;

    if (d->skip_orphan_cb(&d->next, d->next_generation, d->arg)) {
        pass_orphan(d);
        return 0;
    }
    rc = store_get(d->store, &d->reading, d->next.bytes, d->next.len, &record, looked_cb);

    return rc == STORE_LATER ? rc : decide(d, rc, &record);
}

static int end(struct dump *d, int rc)
{
    if (rc == 0)
        rc = dump_append_end(d->out, &d->counts);
    if (rc == UV_ENOMEM)
        log_error("the dump breaks off: out of memory");
    return rc;
}

/* A listing has ended; goes on until there is enough, or something comes later. */
static int go_on(struct dump *d, int rc)
{
    while (rc != STORE_LATER) {
        if (rc == 1 && d->orphan.n_places > 0) {
            rc = look_up(d);
            if (rc == 0)
                rc = list_orphans(d);
        } else if (rc == 0 && d->space == STORE_KEYS) {
            d->space = STORE_ORPHANS;
            d->next.len = 0;
            d->next_generation = 0;
            rc = list_orphans(d);
        } else {
            return end(d, rc);
        }
        if (rc < 0)
            return end(d, rc);
    }
    return rc;
}

static void go_on_later(struct dump *d, int rc)
{
    rc = go_on(d, rc);
    if (rc != STORE_LATER)
        d->filled_cb(d, rc);
}

static void listed_cb(struct store_reading *reading, int rc)
{
    go_on_later(reading->data, rc);
}

static void looked_cb(struct store_reading *reading, int rc, const struct record *record)
{
    struct dump *d = reading->data;

    rc = decide(d, rc, record);
    if (rc == 0)
        rc = list_orphans(d);
    if (rc != STORE_LATER)
        go_on_later(d, rc);
}

int dump_fill(struct dump *d, struct buf *out, size_t bytes)
{
    int rc = 0;

    d->out = out;
    d->bytes = bytes;
    d->reading.data = d;
    if (!d->begun)
        rc = dump_append_header(d->out);
    d->begun = true;
    if (rc == 0)
        rc = d->space == STORE_KEYS ? list_keys(d) : list_orphans(d);
    return go_on(d, rc);
}

void dump_cancel(struct dump *d)
{
    store_cancel(d->store, &d->reading);
}
