/* Happy path: the volumes that may take the value are chosen, and with its first bytes the store is
 * told that the blob will be an orphan there: should mkv die from now on, it knows what to reclaim.
 * Once that is written the upload starts (upload.h); it tells when the caller is to pause. At the
 * end the MD5 is checked. When enough of them hold the blob durably, one commit makes it the key's
 * and no orphan.
 *
 * Failures: the caller forgets it before the end, the value is empty or another one than was
 * announced (the upload is aborted, and the volumes, which saw half a request, store nothing); too
 * few volumes take it; the key has got another value, or the store can't be changed. Then the
 * orphan is made to name just those places that may have the blob, and is the reclaimer's.
 *
 * A commit that finds another record looks again: it was a DELETE or UNLINK perhaps, and the value
 * can have its place all the same. */
#include "index/objects/write.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/clock.h"
#include "index/base/md5.h"
#include "index/objects/note.h"
#include "index/objects/orphans.h"
#include "index/objects/reclaim.h"

/* Where a write waits, and for whom. */
enum write_state {
    WRITE_RECEIVING,  /* the caller: no byte yet, nothing at the volumes */
    WRITE_ANNOUNCING, /* the store, which is to know the orphan-to-be; the caller goes on */
    WRITE_UPLOADING,  /* the caller and the volumes */
    WRITE_COMMITTING, /* the store */
    WRITE_ABORTING,   /* the end of an announcement or of an aborted upload */
    WRITE_SETTLING,   /* the store, which is to know what is left */
    WRITE_ENDED,
    WRITE_STATES
};

static const bool legal_moves[WRITE_STATES][WRITE_STATES] = {
    [WRITE_RECEIVING] = {[WRITE_ANNOUNCING] = true, [WRITE_ENDED] = true},
    [WRITE_ANNOUNCING] = {[WRITE_UPLOADING] = true, [WRITE_ABORTING] = true, [WRITE_ENDED] = true},
    [WRITE_UPLOADING] =
        {[WRITE_COMMITTING] = true, [WRITE_ABORTING] = true, [WRITE_SETTLING] = true},
    [WRITE_COMMITTING] = {[WRITE_SETTLING] = true, [WRITE_ENDED] = true},
    [WRITE_ABORTING] = {[WRITE_SETTLING] = true, [WRITE_ENDED] = true},
    [WRITE_SETTLING] = {[WRITE_ENDED] = true},
};

struct write {
    struct objects *objects;
    struct write_options options; /* `done` NULL once nobody wants to know */
    enum write_state state;
    struct key key;
    struct hold hold;
    struct record old;    /* what it replaces; n_places 0: nothing */
    struct record record; /* what it makes */
    struct md5 md5;
    bool check_md5;
    unsigned char wanted_md5[MD5_SIZE];
    char path[PLACEMENT_PATH_MAX];
    char note[NOTE_MAX]; /* once the value is whole */
    struct upload upload;
    bool leaves; /* a blob where the record doesn't name it */
    struct store_commit commit;
};

static void commit_it(struct write *w);

static void set_state(struct write *w, enum write_state state)
{
    assert(legal_moves[w->state][state]);
    w->state = state;
}

static void write_free(struct write *w)
{
    struct objects *o = w->objects;

    set_state(w, WRITE_ENDED);
    objects_release(o, &w->hold);
    upload_deinit(&w->upload);
    free(w);
    objects_end(o);
}

/* Tells, unless nobody wants to know, with perhaps some work still to be done. */
static void tell(struct write *w, int rc, const char *text)
{
    write_done_cb done = w->options.done;

    w->options.done = NULL;
    if (done != NULL)
        done(w->options.arg, rc, text, rc == 0 ? &w->record : NULL);
}

static void tell_store_failed(struct write *w, int rc)
{
    tell(w, rc, "the index can't be changed\n");
}

/* --- What is left ---------------------------------------------------------------------------- */

/* The places to reclaim: those that may have the blob and aren't in the record. If a request had no
 * answer, they stay for the grace. */
static void find_leftovers(const struct write *w, bool stored, struct orphan *orphan)
{
    bool late = false;

    orphan->n_places = 0;
    orphan->time = w->record.time;
    for (size_t i = 0; i < w->upload.n_targets; i++) {
        const struct upload_target *t = &w->upload.targets[i];

        if (!t->may_hold && (stored || !t->holds))
            continue;
        orphan->places[orphan->n_places++] = t->place;
        late |= t->is_late;
    }
    orphan->until = late ? clock_now_ms() + w->objects->grace : 0;
}

/* The change that makes that the orphan of the blob's generation. */
static struct store_change leftovers_change(const struct write *w, const struct orphan *left)
{
    return (struct store_change){
        .space = STORE_ORPHANS,
        .key = w->key.bytes,
        .len = w->key.len,
        .generation = w->record.generation,
        .orphan = left->n_places > 0 ? left : NULL,
    };
}

static void settled_cb(struct store_commit *commit, int rc)
{
    struct write *w = commit->data;
    struct reclaimer *reclaimer = w->objects->reclaimer;
    struct key key = w->key;
    uint64_t generation = w->record.generation;

    (void)rc; /* else the announcement is what the store knows */
    write_free(w);
    reclaimer_add(reclaimer, &key, generation);
}

/* The key is as it was. */
static void settle(struct write *w)
{
    struct orphan left;
    struct store_change change;

    find_leftovers(w, false, &left);
    change = leftovers_change(w, &left);
    set_state(w, WRITE_SETTLING);
    if (store_commit(w->objects->store, &w->commit, &change, 1, settled_cb) < 0)
        settled_cb(&w->commit, UV_ENOMEM);
}

/* Breaks off what goes on; nobody wants to know any more. */
static void write_abort(struct write *w)
{
    w->options.done = NULL;
    if (w->state == WRITE_RECEIVING) {
        write_free(w);
        return;
    }
    if (w->state == WRITE_UPLOADING)
        upload_abort(&w->upload);
    set_state(w, WRITE_ABORTING);
}

/* --- The commit ------------------------------------------------------------------------------ */

/* Looks at the key. UV_EEXIST when it has a value, which isn't unlinked. */
static int find_old(struct write *w)
{
    int rc = objects_look_up(w->objects, &w->key, &w->old);

    if (rc == 0 && !(w->old.flags & RECORD_UNLINKED))
        return UV_EEXIST;
    if (rc != UV_ENOENT)
        return rc;
    w->old = (struct record){.n_places = 0};
    return 0;
}

/* The same once more, after a commit that met something else. A later value, unlinked since, is not
 * to be replaced by an older one. (Orphans say nothing here: those of PUTs that are on their way
 * are among them, which may come to nothing.) */
static int find_old_again(struct write *w)
{
    int rc = find_old(w);

    return rc == 0 && w->old.generation > w->record.generation ? UV_EEXIST : rc;
}

static const char *text_of(int rc)
{
    return rc == UV_EEXIST ? "the key exists\n" : "the index can't be read\n";
}

static void committed_cb(struct store_commit *commit, int rc)
{
    struct write *w = commit->data;
    struct reclaimer *reclaimer = w->objects->reclaimer;
    struct key key = w->key;
    uint64_t generation = w->record.generation;

    if (rc == STORE_CONFLICT) {
        rc = find_old_again(w);
        if (rc == 0) {
            commit_it(w);
            return;
        }
        tell(w, rc, text_of(rc));
        settle(w);
    } else if (rc < 0) {
        tell_store_failed(w, rc);
        settle(w);
    } else {
        bool leaves = w->leaves;

        w->objects->changes++;
        tell(w, 0, "");
        write_free(w);
        if (leaves)
            reclaimer_add(reclaimer, &key, generation);
    }
}

/* What is replaced stays for a while, for those who were sent to it. */
static int replace_old(struct write *w, struct orphan_change *replaced, struct store_change *change)
{
    struct objects *o = w->objects;
    int rc = orphan_change_init(o, &w->key, &w->old, replaced);

    if (rc == 0)
        rc = orphan_change_add(o, replaced, w->old.places, w->old.n_places,
                               clock_now_ms() + o->grace);
    if (rc == 0)
        *change = orphan_change_of(&w->key, w->old.generation, replaced);
    return rc;
}

static void commit_it(struct write *w)
{
    bool replaces = w->old.n_places > 0;
    struct store_change changes[3] = {{
        .space = STORE_KEYS,
        .key = w->key.bytes,
        .len = w->key.len,
        .record = &w->record,
        .expect = replaces ? STORE_EXACTLY : STORE_NOTHING,
        .was = &w->old,
    }};
    struct orphan_change replaced;
    struct orphan left;
    int rc = 0;

    find_leftovers(w, true, &left);
    w->leaves = left.n_places > 0;
    changes[1] = leftovers_change(w, &left);
    if (replaces)
        rc = replace_old(w, &replaced, &changes[2]);
    if (rc == 0)
        rc = store_commit(w->objects->store, &w->commit, changes, replaces ? 3 : 2, committed_cb);
    if (rc < 0) {
        tell_store_failed(w, rc);
        settle(w);
    }
}

/* The copies are the record, which is placed best only where the first targets have them. */
static void make_record(struct write *w)
{
    for (size_t i = 0; i < w->upload.n_targets; i++) {
        if (!w->upload.targets[i].holds)
            continue;
        w->record.places[w->record.n_places++] = w->upload.targets[i].place;
        if (i >= w->objects->copies)
            w->record.placed_by = places_mark_worse(w->record.placed_by);
    }
}

/* --- The volumes' side ----------------------------------------------------------------------- */

static void uploaded_cb(struct upload *upload, int rc)
{
    struct write *w = upload->data;

    if (w->state == WRITE_ABORTING || rc < 0) {
        tell(w, rc, upload->text);
        settle(w);
        return;
    }
    make_record(w);
    set_state(w, WRITE_COMMITTING);
    commit_it(w);
}

static void drained_cb(struct upload *upload)
{
    struct write *w = upload->data;

    if (w->options.done != NULL)
        w->options.drained(w->options.arg);
}

static void announced_cb(struct store_commit *commit, int rc)
{
    struct write *w = commit->data;

    if (rc < 0) {
        tell_store_failed(w, rc);
        write_free(w);
        return;
    }
    if (w->state == WRITE_ABORTING) {
        settle(w);
        return;
    }
    set_state(w, WRITE_UPLOADING);
    rc = upload_start(&w->upload);
    if (rc < 0) {
        tell(w, rc, w->upload.text);
        settle(w);
    }
}

/* The blob at any of the chosen volumes is an orphan until the key names it. */
static int announce(struct write *w)
{
    struct orphan orphan = {
        .until = clock_now_ms() + w->objects->grace,
        .time = w->record.time,
    };
    struct store_change change;
    int rc;

    for (size_t i = 0; i < w->upload.n_targets; i++)
        orphan.places[orphan.n_places++] = w->upload.targets[i].place;
    change = leftovers_change(w, &orphan);
    rc = store_announce(w->objects->store, &w->commit, &change, announced_cb);
    if (rc == 0)
        set_state(w, WRITE_ANNOUNCING);
    return rc;
}

/* --- The caller's side ----------------------------------------------------------------------- */

static int choose_volumes(struct write *w);

/* The first bytes may come long after the head. A volume that is drained since then is not to get
 * the value: a drain waits for the blobs that the store knows of. */
static int choose_volumes_again(struct write *w)
{
    if (w->record.placed_by >> 1 == places_mark(w->objects->places, false) >> 1)
        return 0;
    upload_deinit(&w->upload);
    w->upload = (struct upload){.n_targets = 0};
    return choose_volumes(w);
}

static int begin(struct write *w, char text[UPLOAD_TEXT_MAX])
{
    int rc = choose_volumes_again(w);

    if (rc < 0) {
        strcpy(text, w->upload.text);
        return rc;
    }
    rc = announce(w);
    if (rc < 0)
        strcpy(text, "the index can't be changed\n");
    return rc;
}

int write_data(struct write *w, const char *bytes, size_t n, char text[UPLOAD_TEXT_MAX])
{
    int rc = w->state == WRITE_RECEIVING ? begin(w, text) : 0;

    if (rc < 0) {
        write_abort(w);
        return rc;
    }
    w->record.size += n;
    if (w->md5.is_begun)
        md5_add(&w->md5, bytes, n);
    rc = upload_write(&w->upload, bytes, n);
    if (rc >= 0)
        return rc;
    strcpy(text, "out of memory\n");
    write_abort(w);
    return rc;
}

/* Whether the value is the one that the caller announced. */
static bool finish_md5(struct write *w)
{
    unsigned char md5[MD5_SIZE];

    if (!w->md5.is_begun)
        return true;
    md5_finish(&w->md5, md5);
    if (w->objects->md5) {
        w->record.flags |= RECORD_MD5;
        memcpy(w->record.md5, md5, MD5_SIZE);
    }
    return !w->check_md5 || memcmp(md5, w->wanted_md5, MD5_SIZE) == 0;
}

int write_end(struct write *w, char text[UPLOAD_TEXT_MAX])
{
    int rc = 0;

    if (w->state == WRITE_RECEIVING) {
        strcpy(text, "an empty value can't be stored\n");
        rc = -ENODATA;
    } else if (!finish_md5(w)) {
        strcpy(text, "the value's MD5 is not the one in Content-MD5\n");
        rc = UV_EILSEQ;
    }
    if (rc < 0) {
        write_abort(w);
        return rc;
    }
    upload_end(&w->upload, w->note, note_of_record(&w->record, w->note));
    return 0;
}

void write_forget(struct write *w)
{
    w->options.done = NULL;
    if (!w->upload.ended)
        write_abort(w);
}

/* --- The start ------------------------------------------------------------------------------- */

static void start_md5(struct write *w)
{
    const unsigned char *wanted = w->options.md5;

    w->check_md5 = wanted != NULL;
    if (wanted != NULL)
        memcpy(w->wanted_md5, wanted, MD5_SIZE);
    if (w->objects->md5 || w->check_md5)
        md5_begin(&w->md5);
}

/* Writes of one key that run at once have different seconds too: one may replace the other. */
static int choose_generation(struct write *w)
{
    struct objects *o = w->objects;
    uint64_t latest;
    int rc = orphans_latest_time(o, &w->key, w->old.time, &latest);

    if (rc < 0)
        return rc;
    w->record.generation = generation_make(&o->generations, clock_now_ms());
    w->record.time = blob_time_make(w->record.generation, latest);
    return 0;
}

static int choose_volumes(struct write *w)
{
    struct objects *o = w->objects;
    struct upload_target candidates[PLACES_MAX];
    size_t n = places_choose(o->places, &w->key, candidates, PLACES_MAX);
    bool best = true; /* of all volumes; else of those that take the value now */
    int rc;

    placement_path(w->key.bytes, w->key.len, w->record.generation, w->path);
    w->upload.data = w;
    rc = upload_init(&w->upload,
                     &(struct upload_options){
                         .transfers = o->transfers,
                         .budget = &o->budget,
                         .path = w->path,
                         .size = w->options.size,
                         .time = w->record.time,
                         .copies = o->copies,
                         .sync = o->sync,
                         .drained = drained_cb,
                         .done = uploaded_cb,
                     },
                     candidates, n);
    for (size_t i = 0; rc == 0 && i < o->copies; i++)
        best = best && w->upload.targets[i].volume == candidates[i].volume;
    w->record.placed_by = places_mark(o->places, best);
    return rc;
}

static int prepare(struct write *w, char text[UPLOAD_TEXT_MAX])
{
    int rc = find_old(w);

    if (rc == 0)
        rc = choose_generation(w);
    if (rc < 0) {
        strcpy(text, text_of(rc));
        return rc;
    }
    start_md5(w);
    rc = choose_volumes(w);
    if (rc < 0)
        strcpy(text, w->upload.text);
    return rc;
}

int write_start(struct objects *o, const struct key *key, const struct write_options *options,
                struct write **write, char text[UPLOAD_TEXT_MAX])
{
    struct write *w = calloc(1, sizeof(*w));
    int rc = UV_ENOMEM;

    strcpy(text, "out of memory\n");
    if (w == NULL)
        return rc;
    w->objects = o;
    w->options = *options;
    w->key = *key;
    w->commit.data = w;
    rc = prepare(w, text);
    if (rc == 0)
        rc = objects_hold(o, &w->hold, &w->key, w->record.generation, w->record.time);
    if (rc < 0) {
        upload_deinit(&w->upload);
        free(w);
        return rc;
    }
    objects_begin(o);
    *write = w;
    return 0;
}
