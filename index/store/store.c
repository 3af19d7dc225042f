#include "index/store/store.h"

#include <errno.h>
#include <gdbm.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <uv.h>

#include "index/base/buf.h"
#include "index/base/lockfile.h"
#include "index/base/log.h"

#define VOLUMES_KEY     "!volumes"
#define VOLUME_NAME_MAX 255          /* its length is kept in a byte */
#define SPACE_RESERVE   (32UL << 20) /* bytes: enough for GDBM's directory to double at 100M keys */
#define CACHED_PAGES    1000 /* of GDBM's buckets: left alone that cache grows with the file */

struct store {
    GDBM_FILE db;
    int lock;
    char path[PATH_MAX]; /* of the GDBM file */
    char **volumes;      /* names by id */
    uint32_t n_volumes;
};

static datum datum_of(const void *bytes, size_t n)
{
    return (datum){.dptr = (char *)bytes, .dsize = (int)n};
}

static int open_db(struct store *store)
{
    int pages = CACHED_PAGES;

    store->db = gdbm_open(store->path, 0, GDBM_WRCREAT | GDBM_NOLOCK | GDBM_CLOEXEC, 0600, NULL);
    if (store->db == NULL) {
        log_error("cannot open %s: %s", store->path, gdbm_strerror(gdbm_errno));
        return UV_EIO;
    }
    gdbm_setopt(store->db, GDBM_SETCACHESIZE, &pages, sizeof(pages));
    return 0;
}

/* Logs what GDBM last failed with and translates it. After a write that failed half-way GDBM
 * refuses everything, reads too: rightly so, since the file may be torn. */
static int db_failure(struct store *store, const char *verb)
{
    int error = gdbm_last_errno(store->db);
    int system_errno = gdbm_last_syserr(store->db);

    log_error("cannot %s %s: %s", verb, store->path, gdbm_db_strerror(store->db));
    if (gdbm_check_syserr(error) && (system_errno == ENOSPC || system_errno == EDQUOT))
        return UV_ENOSPC;
    return UV_EIO;
}

/* GDBM can't undo a write that runs into a full disk half-way, so none begins on a disk that is
 * nearly full; deletes, which take no room to speak of, do. 0 or UV_ENOSPC. */
static int check_space(const struct store *store)
{
    struct statvfs fs;

    if (statvfs(store->path, &fs) < 0 || fs.f_bavail * fs.f_frsize >= SPACE_RESERVE)
        return 0;
    log_error("the disk of %s has less than %lu MiB left: nothing is written to it", store->path,
              SPACE_RESERVE >> 20);
    return UV_ENOSPC;
}

static int make_directory(const char *directory)
{
    if (mkdir(directory, 0700) < 0 && errno != EEXIST) {
        int rc = -errno;

        log_error("cannot make the index directory %s: %s", directory, strerror(-rc));
        return rc;
    }
    return 0;
}

static int take_lock(struct store *store, const char *directory)
{
    char path[PATH_MAX];
    pid_t holder = 0;
    int rc;

    if (snprintf(path, sizeof(path), "%s/lock", directory) >= (int)sizeof(path))
        rc = -ENAMETOOLONG;
    else
        rc = lockfile_acquire(path, &store->lock, &holder);
    if (rc == -EWOULDBLOCK) {
        log_error("the index directory %s is in use by another mkv (pid %ld): stop it, or give "
                  "this one another --index",
                  directory, (long)holder);
        return UV_EBUSY;
    }
    if (rc < 0)
        log_error("cannot lock the index directory %s: %s", directory, strerror(-rc));
    return rc;
}

static int set_path(struct store *store, const char *directory)
{
    if (snprintf(store->path, sizeof(store->path), "%s/index.gdbm", directory) <
        (int)sizeof(store->path))
        return 0;
    log_error("the path of the index directory %s is too long", directory);
    return UV_ENAMETOOLONG;
}

/* --- Volume names: u8 length and the bytes, one after the other by id ------------------------ */

static int add_volume(struct store *store, const char *name, size_t len)
{
    char **volumes = realloc(store->volumes, (store->n_volumes + 1) * sizeof(*volumes));

    if (volumes == NULL)
        return UV_ENOMEM;
    store->volumes = volumes;
    volumes[store->n_volumes] = malloc(len + 1);
    if (volumes[store->n_volumes] == NULL)
        return UV_ENOMEM;
    memcpy(volumes[store->n_volumes], name, len);
    volumes[store->n_volumes++][len] = '\0';
    return 0;
}

static int load_volumes(struct store *store)
{
    datum names = gdbm_fetch(store->db, datum_of(VOLUMES_KEY, strlen(VOLUMES_KEY)));
    size_t size = names.dptr != NULL ? (size_t)names.dsize : 0;
    int rc = 0;

    if (names.dptr == NULL && gdbm_last_errno(store->db) != GDBM_ITEM_NOT_FOUND)
        return db_failure(store, "read the volumes' names in");
    for (size_t at = 0; at < size && rc == 0;) {
        size_t len = (unsigned char)names.dptr[at++];

        if (len == 0 || len > size - at) {
            log_error("the volumes' names in %s are damaged", store->path);
            rc = UV_EIO;
            break;
        }
        rc = add_volume(store, names.dptr + at, len);
        at += len;
    }
    free(names.dptr);
    return rc;
}

static int save_volumes(struct store *store)
{
    struct buf names = {0};
    int rc = 0;

    for (uint32_t i = 0; i < store->n_volumes && rc == 0; i++) {
        unsigned char len = (unsigned char)strlen(store->volumes[i]);

        rc = buf_append(&names, &len, 1);
        if (rc == 0)
            rc = buf_append(&names, store->volumes[i], len);
    }
    if (rc == 0 && gdbm_store(store->db, datum_of(VOLUMES_KEY, strlen(VOLUMES_KEY)),
                              datum_of(buf_bytes(&names), buf_size(&names)), GDBM_REPLACE) != 0)
        rc = db_failure(store, "write the volumes' names to");
    buf_deinit(&names);
    return rc;
}

int store_volume_id(struct store *store, const char *name, uint32_t *id)
{
    int rc;

    for (uint32_t i = 0; i < store->n_volumes; i++) {
        if (strcmp(store->volumes[i], name) == 0) {
            *id = i;
            return 0;
        }
    }
    if (name[0] == '\0' || strlen(name) > VOLUME_NAME_MAX)
        return UV_ENAMETOOLONG;
    rc = check_space(store);
    if (rc == 0)
        rc = add_volume(store, name, strlen(name));
    if (rc < 0)
        return rc;
    rc = save_volumes(store);
    if (rc < 0) {
        free(store->volumes[--store->n_volumes]);
        return rc;
    }
    *id = store->n_volumes - 1;
    return 0;
}

const char *store_volume_name(const struct store *store, uint32_t id)
{
    return id < store->n_volumes ? store->volumes[id] : NULL;
}

/* --- Opening and closing --------------------------------------------------------------------- */

static void free_store(struct store *store)
{
    for (uint32_t i = 0; i < store->n_volumes; i++)
        free(store->volumes[i]);
    free(store->volumes);
    free(store);
}

int store_open(const char *directory, struct store **store)
{
    struct store *s = calloc(1, sizeof(*s));
    int rc;

    if (s == NULL) {
        log_error("cannot open the index directory %s: out of memory", directory);
        return UV_ENOMEM;
    }
    rc = make_directory(directory);
    if (rc < 0)
        goto err_free;
    rc = take_lock(s, directory);
    if (rc < 0)
        goto err_free;
    rc = set_path(s, directory);
    if (rc == 0)
        rc = open_db(s);
    if (rc < 0)
        goto err_unlock;
    rc = load_volumes(s);
    if (rc < 0)
        goto err_close;
    *store = s;
    return 0;

err_close:
    gdbm_close(s->db);
err_unlock:
    lockfile_release(s->lock);
err_free:
    free_store(s);
    return rc;
}

void store_close(struct store *store)
{
    if (gdbm_sync(store->db) != 0)
        db_failure(store, "sync");
    if (gdbm_close(store->db) != 0)
        log_error("cannot close %s: %s", store->path, gdbm_strerror(gdbm_errno));
    lockfile_release(store->lock);
    free_store(store);
}

/* --- Records --------------------------------------------------------------------------------- */

static int decode(struct store *store, datum key, datum value, struct record *record)
{
    int rc = record_decode((const unsigned char *)value.dptr, (size_t)value.dsize, record);

    if (rc == 0)
        return 0;
    log_error("%s holds a record %s: key %.*s", store->path,
              rc == -ENOTSUP ? "of a newer mkv" : "that is damaged", key.dsize, key.dptr);
    return UV_EIO;
}

int store_get(struct store *store, const void *key, size_t len, struct record *record)
{
    datum k = datum_of(key, len);
    datum value = gdbm_fetch(store->db, k);
    int rc;

    if (value.dptr == NULL) {
        if (gdbm_last_errno(store->db) == GDBM_ITEM_NOT_FOUND)
            return UV_ENOENT;
        return db_failure(store, "read from");
    }
    rc = decode(store, k, value, record);
    free(value.dptr);
    return rc;
}

int store_put(struct store *store, const void *key, size_t len, const struct record *record)
{
    unsigned char bytes[RECORD_MAX];
    size_t n = record_encode(record, bytes);
    int rc = check_space(store);

    if (rc < 0)
        return rc;
    if (gdbm_store(store->db, datum_of(key, len), datum_of(bytes, n), GDBM_REPLACE) != 0)
        return db_failure(store, "write to");
    return 0;
}

int store_delete(struct store *store, const void *key, size_t len)
{
    if (gdbm_delete(store->db, datum_of(key, len)) == 0)
        return 0;
    if (gdbm_last_errno(store->db) == GDBM_ITEM_NOT_FOUND)
        return UV_ENOENT;
    return db_failure(store, "delete from");
}

int store_each(struct store *store, store_each_cb cb, void *arg)
{
    datum key = gdbm_firstkey(store->db);
    struct record record;
    int rc = 0;

    while (key.dptr != NULL) {
        datum next;

        if (key.dptr[0] == '/') {
            rc = store_get(store, key.dptr, (size_t)key.dsize, &record);
            if (rc == 0)
                rc = cb(key.dptr, (size_t)key.dsize, &record, arg);
        }
        if (rc != 0)
            break;
        next = gdbm_nextkey(store->db, key);
        free(key.dptr);
        key = next;
    }
    if (rc == 0 && gdbm_last_errno(store->db) != GDBM_ITEM_NOT_FOUND)
        rc = db_failure(store, "walk through");
    free(key.dptr);
    return rc;
}
