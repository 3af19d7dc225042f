#include "index/maintenance/inventory.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index/base/log.h"
#include "index/maintenance/sort.h"
#include "index/store/key_order.h"

#define MEMORY      ((size_t)32 << 20) /* that files are sorted in */
#define BATCH_BYTES (512 * 1024)

/* --- The thread ------------------------------------------------------------------------------ */

static bool is_foreign(const struct key *key)
{
    return key->len < 2 || key->bytes[0] != '/' || memchr(key->bytes, '\0', key->len) != NULL;
}

static int blob_cb(const struct collected *blob, void *arg)
{
    struct inventory *v = arg;
    const struct placement_name *name = blob->name;
    unsigned char bytes[FOUND_MAX];
    struct found found;
    size_t n;

    if (atomic_load(&v->stopping))
        return UV_ECANCELED;
    if (is_foreign(&name->key)) {
        v->foreign++;
        return 0;
    }
    found = (struct found){.key.len = name->key.len,
                           .generation = name->generation,
                           .kind = FOUND_FILE,
                           .place = {.volume = v->volumes[blob->volume]->number,
                                     .has_subvolume = name->has_subvolume,
                                     .subvolume = name->subvolume},
                           .size = blob->size,
                           .time = blob->time};
    memcpy(found.key.bytes, name->key.bytes, name->key.len);
    atomic_fetch_add(&v->files, 1);
    n = found_encode(&found, bytes);
    return sort_add(v->sort, bytes, n, n);
}

static int tick_cb(void *arg)
{
    struct inventory *v = arg;

    return atomic_load(&v->stopping) ? UV_ECANCELED : 0;
}

static int list(struct inventory *v)
{
    struct collect collect = {
        .volumes = v->names,
        .n_volumes = v->n_volumes,
        .identities = v->identities,
        .without_notes = true,
        .listed = v->listed,
        .blob_cb = blob_cb,
        .tick_cb = tick_cb,
        .arg = v,
    };
    int rc;

    rc = collect_run(&collect);
    v->strangers = collect.strangers;
    for (size_t i = 0; i < v->n_volumes; i++)
        v->unlisted += !v->listed[i];
    return rc;
}

static int add_to_batch(struct inventory *v, const struct sort_entry *entry)
{
    uint16_t len = (uint16_t)entry->len;

    v->last = buf_size(&v->batch);
    if (buf_append(&v->batch, &len, sizeof(len)) < 0 ||
        buf_append(&v->batch, entry->bytes, entry->len) < 0)
        return UV_ENOMEM;
    return 0;
}

static int fill(struct inventory *v)
{
    size_t until = buf_size(&v->batch) + BATCH_BYTES;
    struct sort_entry entry;
    int rc = 1;

    while (rc == 1 && buf_size(&v->batch) < until) {
        rc = sort_next(v->sort, &entry);
        if (rc == 1 && add_to_batch(v, &entry) < 0)
            rc = UV_ENOMEM;
    }
    v->at_end = rc == 0;
    return rc < 0 ? rc : 0;
}

static void run(void *arg)
{
    struct inventory *v = arg;
    int rc = list(v);

    while (!atomic_load(&v->stopping)) {
        v->rc = rc < 0 ? rc : fill(v);
        uv_async_send(&v->told);
        uv_sem_wait(&v->wanted);
    }
    atomic_store(&v->ended, true);
    uv_async_send(&v->told);
}

/* --- The loop -------------------------------------------------------------------------------- */

static void release(struct inventory *v)
{
    sort_free(v->sort);
    if (v->dir_fd >= 0)
        close(v->dir_fd);
    free(v->volumes);
    free(v->names);
    free(v->listed);
    free(v->identities);
    buf_deinit(&v->batch);
}

static void closed_cb(uv_handle_t *handle)
{
    struct inventory *v = handle->data;

    uv_sem_destroy(&v->wanted);
    release(v);
    v->stop_cb(v->arg);
}

static void told_cb(uv_async_t *async)
{
    struct inventory *v = async->data;

    if (atomic_load(&v->ended)) {
        if (v->has_thread)
            uv_thread_join(&v->thread);
        uv_close((uv_handle_t *)async, closed_cb);
    } else if (!atomic_load(&v->stopping)) {
        v->ready(v->rc, v->arg);
    }
}

static int choose_volumes(struct inventory *v)
{
    struct volumes *volumes = places_volumes(v->objects->places);
    size_t n = volumes_count(volumes);

    v->volumes = calloc(n + 1, sizeof(struct volume *));
    v->names = calloc(n + 1, sizeof(char *));
    v->listed = calloc(n + 1, sizeof(*v->listed));
    v->identities = calloc(n + 1, sizeof(*v->identities));
    if (v->volumes == NULL || v->names == NULL || v->listed == NULL || v->identities == NULL)
        return UV_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        struct volume *volume = volumes_at(volumes, i);

        if (!volume_is_live(volume))
            continue;
        v->names[v->n_volumes] = volume->name;
        v->volumes[v->n_volumes++] = volume;
    }
    return 0;
}

static int start_thread(struct inventory *v)
{
    int rc = uv_sem_init(&v->wanted, 0);

    if (rc < 0)
        return rc;
    rc = uv_async_init(v->objects->loop, &v->told, told_cb);
    if (rc < 0) {
        uv_sem_destroy(&v->wanted);
        return rc;
    }
    v->told.data = v;
    v->rc = uv_thread_create(&v->thread, run, v);
    v->has_thread = v->rc == 0;
    if (!v->has_thread) /* the handle is in the loop by now */
        uv_async_send(&v->told);
    return 0;
}

int inventory_start(struct inventory *v)
{
    int rc = choose_volumes(v);

    v->dir_fd = open(v->objects->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (rc == 0 && v->dir_fd < 0)
        rc = -errno;
    v->sort = rc == 0 ? sort_new(v->dir_fd, MEMORY, NULL) : NULL;
    if (rc == 0 && v->sort == NULL)
        rc = UV_ENOMEM;
    if (rc == 0)
        rc = start_thread(v);
    if (rc < 0) {
        log_error("the volumes can't be listed: %s", uv_strerror(rc));
        release(v);
    }
    return rc;
}

const struct found *inventory_at(struct inventory *v)
{
    const unsigned char *bytes = (const unsigned char *)buf_bytes(&v->batch);
    uint16_t len;

    if (!v->decoded && buf_size(&v->batch) > 0) {
        memcpy(&len, bytes, sizeof(len));
        v->decoded = found_decode(bytes + sizeof(len), len, &v->at);
        assert(v->decoded);
    }
    return v->decoded ? &v->at : NULL;
}

void inventory_next(struct inventory *v)
{
    uint16_t len;

    memcpy(&len, buf_bytes(&v->batch), sizeof(len));
    v->last -= sizeof(len) + len;
    buf_consume(&v->batch, sizeof(len) + len);
    v->decoded = false;
}

bool inventory_has_all_of(const struct inventory *v, const void *key, size_t len)
{
    const char *last = buf_bytes(&v->batch) + v->last + sizeof(uint16_t);

    if (v->at_end)
        return true;
    return buf_size(&v->batch) > 0 && key_compare(last, strlen(last), key, len) > 0;
}

void inventory_fetch(struct inventory *v)
{
    uv_sem_post(&v->wanted);
}

void inventory_stop(struct inventory *v, void (*cb)(void *arg))
{
    v->stop_cb = cb;
    atomic_store(&v->stopping, true);
    uv_sem_post(&v->wanted);
    if (v->has_thread)
        return;
    atomic_store(&v->ended, true);
    uv_async_send(&v->told);
}
