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

static int blob_cb(const struct collected *blob, void *arg)
{
    struct inventory *in = arg;
    unsigned char bytes[FOUND_MAX];
    struct found found;
    size_t n;

    if (atomic_load(&in->stopping))
        return UV_ECANCELED;
    if (!found_of_file(blob, &found)) {
        in->foreign++;
        return 0;
    }
    found.place.volume = in->volumes[blob->volume]->number;
    atomic_fetch_add(&in->files, 1);
    n = found_encode(&found, bytes);
    return sort_add(in->sort, bytes, n, n);
}

static int tick_cb(void *arg)
{
    struct inventory *in = arg;

    return atomic_load(&in->stopping) ? UV_ECANCELED : 0;
}

static int list(struct inventory *in)
{
    struct collect collect = {
        .volumes = in->names,
        .n_volumes = in->n_volumes,
        .tls = &in->tls,
        .identities = in->identities,
        .signer = &in->signer,
        .without_notes = true,
        .listed = in->listed,
        .blob_cb = blob_cb,
        .tick_cb = tick_cb,
        .arg = in,
    };
    int rc;

    rc = collect_run(&collect);
    in->strangers = collect.strangers;
    for (size_t i = 0; i < in->n_volumes; i++)
        in->unlisted += !in->listed[i];
    return rc;
}

static int add_to_batch(struct inventory *in, const struct sort_entry *entry)
{
    uint16_t len = (uint16_t)entry->len;

    in->last = buf_size(&in->batch);
    if (buf_append(&in->batch, &len, sizeof(len)) < 0 ||
        buf_append(&in->batch, entry->bytes, entry->len) < 0)
        return UV_ENOMEM;
    return 0;
}

static int fill(struct inventory *in)
{
    size_t until = buf_size(&in->batch) + BATCH_BYTES;
    struct sort_entry entry;
    int rc = 1;

    while (rc == 1 && buf_size(&in->batch) < until) {
        rc = sort_next(in->sort, &entry);
        if (rc == 1 && add_to_batch(in, &entry) < 0)
            rc = UV_ENOMEM;
    }
    in->at_end = rc == 0;
    return rc < 0 ? rc : 0;
}

static void run(void *arg)
{
    struct inventory *in = arg;
    int rc = list(in);

    while (!atomic_load(&in->stopping)) {
        in->rc = rc < 0 ? rc : fill(in);
        uv_async_send(&in->told);
        uv_sem_wait(&in->wanted);
    }
    atomic_store(&in->ended, true);
    uv_async_send(&in->told);
}

/* --- The loop -------------------------------------------------------------------------------- */

static void release(struct inventory *in)
{
    sort_free(in->sort);
    if (in->dir_fd >= 0)
        close(in->dir_fd);
    for (size_t i = 0; i < in->n_volumes; i++)
        free((char *)in->names[i]);
    free(in->volumes);
    free(in->names);
    free(in->listed);
    free(in->identities);
    tls_files_deinit(&in->tls);
    buf_deinit(&in->batch);
}

static void closed_cb(uv_handle_t *handle)
{
    struct inventory *in = handle->data;

    uv_sem_destroy(&in->wanted);
    release(in);
    in->stop_cb(in->arg);
}

static void told_cb(uv_async_t *async)
{
    struct inventory *in = async->data;

    if (atomic_load(&in->ended)) {
        if (in->has_thread)
            uv_thread_join(&in->thread);
        uv_close((uv_handle_t *)async, closed_cb);
    } else if (!atomic_load(&in->stopping)) {
        in->ready(in->rc, in->arg);
    }
}

static int choose_volumes(struct inventory *in)
{
    struct volumes *volumes = places_volumes(in->objects->places);
    size_t n = volumes_count(volumes);

    in->volumes = calloc(n + 1, sizeof(struct volume *));
    in->names = calloc(n + 1, sizeof(char *));
    in->listed = calloc(n + 1, sizeof(*in->listed));
    in->identities = calloc(n + 1, sizeof(*in->identities));
    if (in->volumes == NULL || in->names == NULL || in->listed == NULL || in->identities == NULL)
        return UV_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        struct volume *volume = volumes_at(volumes, i);

        if (!volume_is_live(volume))
            continue;
        in->names[in->n_volumes] = strdup(volume->name); /* which a HUP may change */
        if (in->names[in->n_volumes] == NULL)
            return UV_ENOMEM;
        strcpy(in->identities[in->n_volumes], volume->identity);
        in->volumes[in->n_volumes++] = volume;
    }
    return 0;
}

static int start_thread(struct inventory *in)
{
    int rc = uv_sem_init(&in->wanted, 0);

    if (rc < 0)
        return rc;
    rc = uv_async_init(in->objects->loop, &in->told, told_cb);
    if (rc < 0) {
        uv_sem_destroy(&in->wanted);
        return rc;
    }
    in->told.data = in;
    in->rc = uv_thread_create(&in->thread, run, in);
    in->has_thread = in->rc == 0;
    if (!in->has_thread) /* the handle is in the loop by now */
        uv_async_send(&in->told);
    return 0;
}

int inventory_start(struct inventory *in)
{
    int rc = choose_volumes(in);

    in->signer = *transfers_signer(in->objects->transfers);
    in->dir_fd = open(in->objects->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (rc == 0 && in->dir_fd < 0)
        rc = -errno;
    in->sort = rc == 0 ? sort_new(in->dir_fd, MEMORY, NULL) : NULL;
    if (rc == 0 && in->sort == NULL)
        rc = UV_ENOMEM;
    if (rc == 0)
        rc = transfers_copy_tls(in->objects->transfers, &in->tls);
    if (rc == 0)
        rc = start_thread(in);
    if (rc < 0) {
        log_error("the volumes can't be listed: %s", uv_strerror(rc));
        release(in);
    }
    return rc;
}

const struct found *inventory_at(struct inventory *in)
{
    const unsigned char *bytes = (const unsigned char *)buf_bytes(&in->batch);
    uint16_t len;

    if (!in->decoded && buf_size(&in->batch) > 0) {
        memcpy(&len, bytes, sizeof(len));
        in->decoded = found_decode(bytes + sizeof(len), len, &in->at);
        assert(in->decoded);
    }
    return in->decoded ? &in->at : NULL;
}

void inventory_next(struct inventory *in)
{
    uint16_t len;

    memcpy(&len, buf_bytes(&in->batch), sizeof(len));
    in->last -= sizeof(len) + len;
    buf_consume(&in->batch, sizeof(len) + len);
    in->decoded = false;
}

bool inventory_has_all_of(const struct inventory *in, const void *key, size_t len)
{
    const char *last;

    if (in->at_end)
        return true;
    if (buf_size(&in->batch) == 0) /* and `last` is of none */
        return false;
    last = buf_bytes(&in->batch) + in->last + sizeof(uint16_t);
    return key_compare(last, strlen(last), key, len) > 0;
}

void inventory_fetch(struct inventory *in)
{
    uv_sem_post(&in->wanted);
}

void inventory_stop(struct inventory *in, void (*cb)(void *arg))
{
    in->stop_cb = cb;
    atomic_store(&in->stopping, true);
    uv_sem_post(&in->wanted);
    if (in->has_thread)
        return;
    atomic_store(&in->ended, true);
    uv_async_send(&in->told);
}
