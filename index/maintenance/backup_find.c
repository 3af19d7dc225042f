/* Happy path: a GET of the newest backup's first copy, whose answer is unpacked and sorted as it
 * comes.
 *
 * Failures: an answer that breaks off, isn't 200, or isn't a whole backup is forgotten with all
 * that it brought, and the next copy is asked for, of the same backup or of an older one. */
#include "index/maintenance/backup_find.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "index/base/log.h"
#include "index/cluster/placement.h"
#include "index/cluster/sign.h"
#include "index/cluster/transfer.h"
#include "index/maintenance/backup_key.h"
#include "index/maintenance/backup_read.h"

#define MEMORY     (16UL << 20) /* that what is known is sorted in */
#define TICK_LINES 4096

/* One that is being read. */
struct fetch {
    struct backup_find *find;
    struct sort *known;
    struct backup_read read;
    struct transfer transfer;
    struct transfers *transfers;
    uv_loop_t loop;
    uv_check_t check; /* ends the transfer, which can't be ended from within it */
    uint64_t lines;   /* so far, */
    uint64_t keys;    /* and users' keys among them */
    bool ended;
    int rc;
    char problem[96]; /* that is the volume's, or "" */
};

/* --- Which there are ------------------------------------------------------------------------- */

static bool is_newer(const struct backup_file *a, const struct backup_file *b)
{
    if (a->time != b->time)
        return a->time > b->time;
    return a->generation > b->generation;
}

void backup_find_add(struct backup_find *find, const struct found *file)
{
    struct backup_file added = {.generation = file->generation, .place = file->place};
    size_t i;

    if (!backup_key_parse(file->key.bytes, file->key.len, &added.time) || added.time == 0)
        return;
    i = find->n;
    if (find->n < BACKUP_FIND_MAX)
        find->n++;
    else if (!is_newer(&added, &find->files[--i]))
        return;
    for (; i > 0 && is_newer(&added, &find->files[i - 1]); i--)
        find->files[i] = find->files[i - 1];
    find->files[i] = added;
}

/* --- What one knows -------------------------------------------------------------------------- */

static int line_cb(const struct dump_line *line, void *arg)
{
    struct fetch *f = arg;
    unsigned char bytes[FOUND_MAX];
    struct found found = {.kind = FOUND_ORPHAN, .generation = line->generation};
    size_t n;

    if (++f->lines % TICK_LINES == 0 && f->find->tick_cb != NULL)
        f->find->tick_cb(f->find->arg);
    if (line->kind == DUMP_KEY) {
        const struct record *r = &line->record;

        found.kind = FOUND_RECORD;
        found.generation = r->generation;
        found.size = r->size;
        found.time = r->time;
        found.is_unlinked = r->flags & RECORD_UNLINKED;
        found.note.has_md5 = r->flags & RECORD_MD5;
        memcpy(found.note.md5, r->md5, MD5_SIZE);
        found.note.meta = r->meta;
        found.note.meta_len = r->meta_len;
        f->keys += !key_is_reserved(line->key.bytes, line->key.len);
    }
    if (memchr(line->key.bytes, '\0', line->key.len) != NULL)
        return 0; /* no request can name it */
    found.key.len = line->key.len;
    memcpy(found.key.bytes, line->key.bytes, line->key.len);
    n = found_encode(&found, bytes);
    return sort_add(f->known, bytes, n, n);
}

/* --- Its bytes ------------------------------------------------------------------------------- */

static bool write_cb(struct transfer *transfer, const char *bytes, size_t n)
{
    struct fetch *f = transfer->data;

    if (f->rc == 0)
        f->rc = backup_read_add(&f->read, bytes, n);
    return true;
}

/* A volume might send nonsense without an end. */
static void check_cb(uv_check_t *check)
{
    struct fetch *f = check->data;

    if (f->rc < 0 && !f->ended)
        transfer_cancel(&f->transfer);
}

static void fetched_cb(struct transfer *transfer, int rc, int status)
{
    struct fetch *f = transfer->data;

    f->ended = true;
    if (f->rc < 0)
        return;
    if (rc < 0)
        snprintf(f->problem, sizeof(f->problem), "can't be read: %s", uv_strerror(rc));
    else if (status != 200)
        snprintf(f->problem, sizeof(f->problem), "can't be read: the volume answers %d", status);
    f->rc = f->problem[0] != '\0' ? UV_EILSEQ : backup_read_end(&f->read);
}

static int get(struct fetch *f, const struct backup_file *file)
{
    char path[PLACEMENT_PATH_MAX];
    char url[PLACEMENT_URL_MAX];
    struct key key;

    backup_key_make(file->time, &key);
    placement_path(key.bytes, key.len, file->generation, path);
    placement_url(f->find->volumes[file->place.volume], &file->place, path, url);
    f->transfer.data = f;
    f->transfer.identity = f->find->identities[file->place.volume];
    return transfer_get(f->transfers, &f->transfer, url, 0, write_cb, fetched_cb);
}

static void freed_cb(void *arg)
{
    uv_close(arg, NULL);
}

static int run(struct fetch *f, const struct backup_file *file)
{
    int rc = transfers_new(&f->loop, &transfer_default_limits, &f->transfers);

    if (rc < 0) {
        freed_cb(&f->check);
        return rc;
    }
    if (f->find->tls != NULL)
        rc = transfers_set_tls(f->transfers, f->find->tls);
    if (rc == 0 && f->find->signer != NULL)
        transfers_set_signer(f->transfers, f->find->signer);
    if (rc == 0)
        rc = get(f, file);
    while (rc == 0 && !f->ended)
        uv_run(&f->loop, UV_RUN_ONCE);
    transfers_free(f->transfers, freed_cb, &f->check);
    return rc == 0 ? f->rc : rc;
}

/* 0 and f->known is whole, UV_EILSEQ when the backup isn't, or another negative UV_E*. */
static int fetch(struct fetch *f, const struct backup_file *file)
{
    int rc = uv_loop_init(&f->loop);

    if (rc < 0)
        return rc;
    uv_check_init(&f->loop, &f->check);
    f->check.data = f;
    uv_check_start(&f->check, check_cb);
    rc = run(f, file);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    uv_loop_close(&f->loop);
    backup_read_deinit(&f->read);
    return rc;
}

/* --- One after the other --------------------------------------------------------------------- */

static int read_one(struct backup_find *find, const struct backup_file *file, int dir_fd,
                    struct sort **known)
{
    struct fetch f = {.find = find, .read = {.line_cb = line_cb}};
    int rc;

    f.read.arg = &f;
    f.known = sort_new(dir_fd, MEMORY, NULL);
    rc = f.known == NULL ? UV_ENOMEM : fetch(&f, file);
    if (rc == 0) {
        find->time = file->time;
        find->keys = f.keys;
        *known = f.known;
        return 0;
    }
    sort_free(f.known);
    if (rc == UV_EILSEQ)
        log_warn("a backup of the index at %s %s", find->volumes[file->place.volume],
                 f.problem[0] != '\0' ? f.problem : f.read.problem);
    return rc;
}

int backup_find_read(struct backup_find *find, int dir_fd, struct sort **known)
{
    int rc = UV_EILSEQ;

    *known = NULL;
    for (size_t i = 0; i < find->n && rc == UV_EILSEQ; i++)
        rc = read_one(find, &find->files[i], dir_fd, known);
    return rc == UV_EILSEQ ? 0 : rc;
}
