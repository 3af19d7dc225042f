/* Happy path: the files that the volumes list are sorted by key, and so is what the newest backup
 * among them knows; both are merged; what is chosen of those of a key goes into the new table, and
 * the orphans, which come after all keys there, into a second sort.
 *
 * Failures: a volume that can't be listed ends it, since its keys would seem lost; so does a disk
 * under two names. */
#include "index/maintenance/rebuild.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index/base/log.h"
#include "index/maintenance/backup_find.h"
#include "index/maintenance/collect.h"
#include "index/maintenance/replace.h"
#include "index/maintenance/sort.h"
#include "index/store/key_order.h"

#define MEMORY         (32UL << 20) /* that files are sorted in */
#define ORPHANS_MEMORY (4UL << 20)
#define PROGRESS_FILES 16384 /* between two calls of progress_cb */

struct rebuild {
    const struct rebuild_options *options;
    struct rebuild_counts *counts;
    struct collect collect;
    struct backup_find find;
    struct sort *files;
    struct sort *known; /* what the backup knows; NULL without one */
    struct sort *orphans;
    struct build *build;
    uint32_t *ids; /* of the volumes, in the new index */
};

/* --- Listing --------------------------------------------------------------------------------- */

static int blob_cb(const struct collected *blob, void *arg)
{
    struct rebuild *r = arg;
    unsigned char bytes[FOUND_MAX];
    struct found found;
    size_t n;

    if (!found_of_file(blob, &found)) {
        r->counts->foreign++;
        return 0;
    }
    found.place.volume = (uint32_t)blob->volume;
    note_parse(blob->note, blob->note_len, &found.note);
    r->counts->files++;
    backup_find_add(&r->find, &found);
    n = found_encode(&found, bytes);
    return sort_add(r->files, bytes, n, n);
}

static void tell(const struct rebuild *r, const struct rebuild_progress *progress)
{
    if (r->options->progress_cb != NULL)
        r->options->progress_cb(progress, r->options->arg);
}

static int tick_cb(void *arg)
{
    const struct rebuild *r = arg;

    tell(r, &(struct rebuild_progress){.phase = "listing", .files = r->counts->files});
    return 0;
}

static int check_identities(const struct rebuild *r)
{
    const struct collect *c = &r->collect;

    for (size_t i = 0; i < c->n_volumes; i++) {
        for (size_t k = 0; k < i; k++) {
            if (c->identities[i][0] == '\0' || strcmp(c->identities[i], c->identities[k]) != 0)
                continue;
            log_error("%s and %s are the same disk: name it once", c->volumes[k], c->volumes[i]);
            return UV_EINVAL;
        }
    }
    return 0;
}

static int list_volumes(struct rebuild *r)
{
    int rc;

    r->collect = (struct collect){
        .volumes = r->options->volumes,
        .tls = r->options->tls,
        .n_volumes = r->options->n_volumes,
        .identities = calloc(r->options->n_volumes + 1, sizeof(*r->collect.identities)),
        .signer = r->options->signer,
        .blob_cb = blob_cb,
        .tick_cb = tick_cb,
        .arg = r,
    };
    rc = r->collect.identities == NULL ? UV_ENOMEM : collect_run(&r->collect);
    r->counts->strangers = r->collect.strangers;
    return rc < 0 ? rc : check_identities(r);
}

/* --- The backup ------------------------------------------------------------------------------ */

static int read_backup(struct rebuild *r, int dir)
{
    struct backup_find *find = &r->find;
    int rc;

    if (r->options->ignore_backup)
        return 0;
    find->volumes = r->options->volumes;
    find->identities = (const char(*)[TRANSFER_VOLUME_ID_MAX + 1]) r->collect.identities;
    find->signer = r->options->signer;
    find->tls = r->options->tls;
    find->tick_cb = tick_cb;
    find->arg = r;
    rc = backup_find_read(find, dir, &r->known);
    r->counts->backup_time = find->time;
    r->counts->backup_keys = find->keys;
    r->counts->backup_damaged = find->n > 0 && find->time == 0;
    return rc;
}

/* --- The table ------------------------------------------------------------------------------- */

/* The volumes' names in the store: with the identity after a space, if there is one. */
static int name_volumes(struct rebuild *r)
{
    const struct collect *c = &r->collect;
    char name[VOLUME_NAME_SIZE + 1 + TRANSFER_VOLUME_ID_MAX + 1];
    int rc = 0;

    r->ids = calloc(c->n_volumes + 1, sizeof(*r->ids));
    if (r->ids == NULL)
        return UV_ENOMEM;
    for (size_t i = 0; i < c->n_volumes && rc == 0; i++) {
        snprintf(name, sizeof(name), "%s%s%s", c->volumes[i],
                 c->identities[i][0] != '\0' ? " " : "", c->identities[i]);
        rc = build_volume_id(r->build, name, &r->ids[i]);
    }
    return rc;
}

/* Puts the places in the order in which a PUT would have chosen them, with the ids of the store. */
static void order_places(const struct rebuild *r, const struct key *key,
                         const struct record *record, struct record *out)
{
    const char *names[PLACES_MAX];
    const struct placement_list list = {.names = names, .n = record->n_places, .subvolumes = 1};
    struct placement best[PLACES_MAX];

    for (unsigned i = 0; i < record->n_places; i++)
        names[i] = r->collect.volumes[record->places[i].volume];
    if (record->n_places > 1) /* hashing takes a tenth of a rebuild's time */
        placement_choose(key->bytes, key->len, &list, record->n_places, best);
    else
        best[0].volume = 0;
    for (unsigned i = 0; i < record->n_places; i++) {
        out->places[i] = record->places[best[i].volume];
        out->places[i].volume = r->ids[out->places[i].volume];
    }
}

static int key_cb(const struct key *key, const struct record *record, void *arg)
{
    struct rebuild *r = arg;
    struct record renamed;

    record_copy(&renamed, record);
    order_places(r, key, record, &renamed);
    if (key_is_reserved(key->bytes, key->len)) {
        r->counts->hidden++;
        r->counts->hidden_copies += record->n_places;
    }
    return build_add_key(r->build, key->bytes, key->len, &renamed);
}

/* In the order that the table has: by key, NUL, and the generation. */
static int orphan_cb(const struct key *key, uint64_t generation, const struct orphan *orphan,
                     void *arg)
{
    struct rebuild *r = arg;
    struct orphan renamed = *orphan;
    unsigned char bytes[KEY_MAX + 1 + 8 + ORPHAN_MAX];
    size_t n = key->len;
    size_t key_len;

    for (unsigned i = 0; i < renamed.n_places; i++)
        renamed.places[i].volume = r->ids[renamed.places[i].volume];
    memcpy(bytes, key->bytes, n);
    bytes[n++] = '\0';
    for (unsigned i = 0; i < 8; i++)
        bytes[n++] = (unsigned char)(generation >> (56 - 8 * i));
    key_len = n;
    n += orphan_encode(&renamed, bytes + n);
    return sort_add(r->orphans, bytes, n, key_len);
}

static int damaged(void)
{
    log_error("what was sorted is not what was found: the disk has failed");
    return UV_EIO;
}

/* Two sorts as one. */
struct merge {
    struct sort *sorts[2]; /* NULL: there is none */
    struct sort_entry heads[2];
    int has[2]; /* as sort_next() said */
};

static int advance(struct merge *m, unsigned i)
{
    m->has[i] = m->sorts[i] != NULL ? sort_next(m->sorts[i], &m->heads[i]) : 0;
    return m->has[i] < 0 ? m->has[i] : 0;
}

/* The next one of both, which is `heads[*which]` until advance(). 1, or 0 at the end. */
static int merge_next(const struct merge *m, unsigned *which)
{
    const struct sort_entry *a = &m->heads[0];
    const struct sort_entry *b = &m->heads[1];

    if (m->has[0] && m->has[1])
        *which = key_compare(a->bytes, a->len, b->bytes, b->len) > 0;
    else
        *which = !m->has[0];
    return m->has[0] || m->has[1];
}

static void tell_built(const struct rebuild *r, uint64_t files)
{
    tell(r, &(struct rebuild_progress){.phase = "building",
                                       .files = files,
                                       .total = r->counts->files,
                                       .keys = r->counts->chosen.keys});
}

static int choose_all(struct rebuild *r, struct choose *choose)
{
    struct merge m = {.sorts = {r->known, r->files}};
    struct found found;
    uint64_t files = 0;
    unsigned i;
    int rc = advance(&m, 0);

    if (rc == 0)
        rc = advance(&m, 1);
    while (rc == 0 && merge_next(&m, &i)) {
        if (!found_decode(m.heads[i].bytes, m.heads[i].len, &found))
            return damaged();
        rc = choose_add(choose, &found);
        r->counts->chosen = choose->counts;
        if (m.sorts[i] == r->files && files++ % PROGRESS_FILES == 0)
            tell_built(r, files);
        if (rc == 0)
            rc = advance(&m, i);
    }
    return rc;
}

static int choose_keys(struct rebuild *r)
{
    struct choose choose = {.key_cb = key_cb, .orphan_cb = orphan_cb, .arg = r};
    int rc = choose_all(r, &choose);

    if (rc == 0)
        rc = choose_end(&choose);
    r->counts->chosen = choose.counts;
    return rc;
}

static int add_orphans(struct rebuild *r)
{
    struct sort_entry entry;
    struct orphan orphan;
    int rc;

    while ((rc = sort_next(r->orphans, &entry)) > 0) {
        size_t len = entry.key_len - 9;
        uint64_t generation = 0;

        if (orphan_decode(entry.bytes + entry.key_len, entry.len - entry.key_len, &orphan) < 0)
            return damaged();
        for (unsigned i = 0; i < 8; i++)
            generation = generation << 8 | entry.bytes[len + 1 + i];
        rc = build_add_orphan(r->build, entry.bytes, len, generation, &orphan);
        if (rc < 0)
            return rc;
    }
    return rc;
}

static int fill_cb(struct build *build, void *arg)
{
    struct rebuild *r = arg;
    int dir = open(r->options->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = UV_ENOMEM;

    if (dir < 0) {
        log_error("cannot open %s: %s", r->options->directory, strerror(errno));
        return UV_EIO;
    }
    r->build = build;
    r->files = sort_new(dir, MEMORY, NULL);
    r->orphans = sort_new(dir, ORPHANS_MEMORY, NULL);
    if (r->files != NULL && r->orphans != NULL)
        rc = list_volumes(r);
    if (rc == 0)
        rc = read_backup(r, dir);
    if (rc == 0)
        rc = name_volumes(r);
    if (rc == 0)
        rc = choose_keys(r);
    if (rc == 0)
        rc = add_orphans(r);
    if (rc == UV_ENOMEM)
        log_error("cannot make an index: out of memory");
    sort_free(r->files);
    sort_free(r->known);
    sort_free(r->orphans);
    close(dir);
    return rc;
}

int rebuild_run(const struct rebuild_options *options, struct rebuild_counts *counts)
{
    struct rebuild r = {.options = options, .counts = counts};
    const struct replace replace = {
        .directory = options->directory,
        .store_uri = options->store_uri,
        .give_up = options->replace,
        .fill_cb = fill_cb,
        .arg = &r,
    };
    int rc;

    *counts = (struct rebuild_counts){.files = 0};
    rc = replace_run(&replace);
    free(r.collect.identities);
    free(r.ids);
    return rc;
}
