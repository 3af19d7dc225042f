/* The engine behind store.h: all that is read is there at once. */
#include <string.h>

#include "index/base/small_file.h"
#include "index/store/gdbm/internal.h"

static void close_store(struct store *store, store_close_cb cb, void *arg)
{
    engine_close(engine_of(store), cb, arg);
}

static int get(struct store *store, struct store_reading *reading, const void *key, size_t len,
               struct record *record, store_got_cb done)
{
    (void)reading;
    (void)done;
    return gdbm_engine_get(store, key, len, record);
}

static int get_orphan(struct store *store, struct store_reading *reading, const void *key,
                      size_t len, uint64_t generation, struct orphan *orphan,
                      store_got_orphan_cb done)
{
    (void)reading;
    (void)done;
    return gdbm_engine_get_orphan(store, key, len, generation, orphan);
}

static int view_orphan_cb(const void *key, size_t len, uint64_t generation,
                          const struct orphan *orphan, void *arg)
{
    struct store_view *view = arg;

    (void)key;
    (void)len;
    store_view_add_orphan(view, generation, orphan);
    return 0;
}

/* The orphan of the record's own generation is the first of those from there on. */
static int view(struct store *store, struct store_reading *reading, const void *key, size_t len,
                struct store_view *view, store_viewed_cb done)
{
    int rc = gdbm_engine_get(store, key, len, &view->record);

    (void)reading;
    (void)done;
    if (rc < 0 && rc != UV_ENOENT)
        return rc;
    store_view_begin(view, rc == 0);
    return gdbm_engine_list_orphans(store, key, len, rc == 0 ? view->record.generation : 0, true,
                                    view_orphan_cb, view);
}

static int list(struct store *store, struct store_reading *reading, const struct store_range *range,
                store_list_cb each, void *arg, store_listed_cb done)
{
    (void)reading;
    (void)done;
    return gdbm_engine_list(store, range->prefix, range->prefix_len, range->start, range->start_len,
                            each, arg);
}

static int list_orphans(struct store *store, struct store_reading *reading,
                        const struct store_orphan_range *range, store_orphan_cb each, void *arg,
                        store_listed_cb done)
{
    (void)reading;
    (void)done;
    return gdbm_engine_list_orphans(store, range->key, range->len, range->generation, range->only,
                                    each, arg);
}

static void cancel(struct store *store, struct store_reading *reading)
{
    (void)store;
    (void)reading;
}

static int commit(struct store *store, struct store_commit *commit,
                  const struct store_change *changes, size_t n, store_commit_cb done)
{
    return engine_commit(engine_of(store), commit, changes, n, done);
}

static int announce(struct store *store, struct store_commit *commit,
                    const struct store_change *change, store_commit_cb done)
{
    return engine_announce(engine_of(store), commit, change, done);
}

static int volume_id(struct store *store, struct store_reading *reading, const char *name,
                     uint32_t *id, store_identified_cb done)
{
    (void)reading;
    (void)done;
    return gdbm_engine_volume_id(store, name, id);
}

static const char *volume_name(const struct store *store, uint32_t id)
{
    return names_text(&engine_of(store)->volumes, id);
}

static uint64_t last_generation(const struct store *store)
{
    return engine_of(store)->last_generation;
}

static void stats(const struct store *store, struct store_stats *stats)
{
    engine_stats(engine_of(store), stats);
}

static bool leads(const struct store *store)
{
    (void)store;
    return true;
}

static bool holds(const struct store *store)
{
    (void)store;
    return true;
}

static bool lives(const struct store *store, uint64_t instance)
{
    (void)store;
    (void)instance;
    return true;
}

/* --- Notes ----------------------------------------------------------------------------------- */

static int get_note(const struct store *store, const char *name, struct buf *value)
{
    int rc = small_file_read(engine_of(store)->directory, name, STORE_NOTE_MAX, value);

    return rc == UV_ENOENT ? 0 : rc;
}

static int put_note(struct store *store, struct store_reading *reading,
                    const struct store_note *note, store_put_note_cb done)
{
    const struct gdbm_engine *s = engine_of(store);
    struct buf was = {0};
    int rc = s->options.only_reads ? UV_EROFS : get_note(store, note->name, &was);

    (void)reading;
    (void)done;
    if (rc == 0 && (buf_size(&was) != note->was_len ||
                    (note->was_len > 0 && memcmp(buf_bytes(&was), note->was, note->was_len) != 0)))
        rc = STORE_CONFLICT;
    if (rc == 0)
        rc = small_file_replace(s->directory, note->name, note->value, note->len);
    buf_deinit(&was);
    return rc;
}

const struct store_engine engine_calls = {
    .name = "gdbm",
    .close = close_store,
    .get = get,
    .get_orphan = get_orphan,
    .view = view,
    .list = list,
    .list_orphans = list_orphans,
    .cancel = cancel,
    .commit = commit,
    .announce = announce,
    .volume_id = volume_id,
    .volume_name = volume_name,
    .last_generation = last_generation,
    .stats = stats,
    .leads = leads,
    .holds = holds,
    .lives = lives,
    .get_note = get_note,
    .put_note = put_note,
};
