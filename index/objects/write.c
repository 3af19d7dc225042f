/* Happy path: the volumes that may take the value are chosen, and the store is told of the blob
 * (making.h). Once that is written the value can come. The upload (upload.h) starts with the second
 * piece or with the end, and with the first piece where more is known to come; it tells when the
 * caller is to pause. At the end the MD5 is checked. When enough volumes hold the blob durably, it
 * is made the key's value.
 *
 * Where one that began later and ended sooner has replaced the key's value, this one is made anew
 * at the volumes, of itself: it needs a generation later than that.
 *
 * Failures: the caller forgets it before the end, the value is empty or another one than was
 * announced (the upload is aborted, and the volumes, which saw half a request, store nothing); too
 * few volumes take it; the key has got another value, or the store can't be changed. */
#include "index/objects/write.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/md5.h"
#include "index/cluster/flush.h"
#include "index/objects/making.h"
#include "index/objects/note.h"

#define RENEWALS_MAX 8 /* of a value; others come faster */

static_assert(NOTE_MAX <= FLUSH_NOTE_MAX, "a volume takes it");

/* Where a write waits, and for whom. */
enum write_state {
    WRITE_ANNOUNCING, /* the store, which is to know the orphan-to-be */
    WRITE_RECEIVING,  /* the caller: nothing at the volumes, and at most one piece here */
    WRITE_UPLOADING,  /* the caller and the volumes */
    WRITE_COMMITTING, /* the store; where that refuses, the making goes on to settle by itself */
    WRITE_RENEWING,   /* another write, of the same value by a later generation */
    WRITE_ABORTING,   /* the end of an announcement or of an aborted upload */
    WRITE_SETTLING,   /* the store, which is to know what is left */
    WRITE_ENDED,
    WRITE_STATES
};

static const bool legal_moves[WRITE_STATES][WRITE_STATES] = {
    [WRITE_ANNOUNCING] =
        {[WRITE_RECEIVING] = true, [WRITE_ABORTING] = true, [WRITE_SETTLING] = true},
    [WRITE_RECEIVING] = {[WRITE_UPLOADING] = true, [WRITE_SETTLING] = true},
    [WRITE_UPLOADING] =
        {[WRITE_COMMITTING] = true, [WRITE_ABORTING] = true, [WRITE_SETTLING] = true},
    [WRITE_COMMITTING] = {[WRITE_RENEWING] = true, [WRITE_ENDED] = true},
    [WRITE_RENEWING] = {[WRITE_SETTLING] = true},
    [WRITE_ABORTING] = {[WRITE_SETTLING] = true},
    [WRITE_SETTLING] = {[WRITE_ENDED] = true},
};

struct write {
    struct objects *objects;
    struct write_options options; /* `done` NULL once nobody wants to know */
    enum write_state state;
    struct making making;
    unsigned renewals;   /* that led to this one */
    struct write *again; /* the next one, in WRITE_RENEWING */
    struct md5 md5;
    bool check_md5;
    unsigned char wanted_md5[MD5_SIZE];
    char path[PLACEMENT_PATH_MAX];
    char request_id[64];
    char note[NOTE_MAX];  /* once the value is whole */
    struct recipe recipe; /* by which volumes make it; without volumes: there is none */
    struct upload upload;
};

static void set_state(struct write *w, enum write_state state)
{
    assert(legal_moves[w->state][state]);
    w->state = state;
}

static void write_free(struct write *w)
{
    struct objects *o = w->objects;

    set_state(w, WRITE_ENDED);
    upload_deinit(&w->upload);
    recipe_deinit(&w->recipe);
    free(w);
    objects_end(o);
}

/* Tells, unless nobody wants to know, with perhaps some work still to be done. */
static void tell_of(struct write *w, int rc, const char *text, const struct record *record)
{
    write_done_cb done = w->options.done;

    w->options.done = NULL;
    if (done != NULL)
        done(w->options.arg, rc, text, record);
}

static void tell(struct write *w, int rc, const char *text)
{
    tell_of(w, rc, text, rc == 0 ? &w->making.record : NULL);
}

static void ended_cb(struct making *making)
{
    write_free(making->data);
}

static void settle(struct write *w)
{
    set_state(w, WRITE_SETTLING);
    upload_deinit(&w->upload); /* its share of what all uploads have, too */
    making_settle(&w->making);
}

static void renew(struct write *w);

static void done_cb(struct making *making, int rc, const char *text)
{
    if (making->is_superseded)
        renew(making->data);
    else
        tell(making->data, rc, text);
}

/* Breaks off what goes on; nobody wants to know any more. */
static void write_abort(struct write *w)
{
    w->options.done = NULL;
    if (w->state == WRITE_RECEIVING) {
        settle(w);
        return;
    }
    if (w->state == WRITE_UPLOADING)
        upload_abort(&w->upload);
    set_state(w, WRITE_ABORTING);
}

/* --- The volumes' side ----------------------------------------------------------------------- */

/* The copies are the record, which is placed best only where the first targets have them. */
static void make_record(struct write *w)
{
    struct record *record = &w->making.record;

    for (size_t i = 0; i < w->upload.n_targets; i++) {
        if (!w->upload.targets[i].holds)
            continue;
        record->places[record->n_places++] = w->upload.targets[i].place;
        if (i >= w->objects->copies)
            record->placed_by = places_mark_worse(record->placed_by);
    }
}

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
    making_commit(&w->making);
}

static void drained_cb(struct upload *upload)
{
    struct write *w = upload->data;

    if (w->options.done != NULL)
        w->options.drained(w->options.arg);
}

static void take_name(struct write *w)
{
    const struct record *record = &w->making.record;

    placement_path(w->making.key.bytes, w->making.key.len, record->generation, w->path);
    w->upload.options.time = record->time;
}

static void announced_cb(struct making *making, int rc, const char *text)
{
    struct write *w = making->data;

    if (rc < 0)
        tell(w, rc, text);
    if (rc < 0 || w->state == WRITE_ABORTING) {
        settle(w);
        return;
    }
    take_name(w);
    set_state(w, WRITE_RECEIVING);
    w->options.started(w->options.arg);
}

/* --- The caller's side ----------------------------------------------------------------------- */

static int start_upload(struct write *w, char text[UPLOAD_TEXT_MAX])
{
    int rc;

    if (!making_is_ours(&w->making)) { /* the value has come long after its head */
        strcpy(text, making_lost_track);
        return UV_EAGAIN;
    }
    rc = upload_start(&w->upload);
    if (rc == 0)
        set_state(w, WRITE_UPLOADING);
    else
        strcpy(text, w->upload.text);
    return rc;
}

static int add(struct write *w, const char *bytes, size_t n, char text[UPLOAD_TEXT_MAX])
{
    bool may_be_all = w->making.record.size == 0 && w->options.size <= (int64_t)n;
    int rc = upload_write(&w->upload, bytes, n);
    int started = 0;

    if (rc < 0) {
        strcpy(text, "out of memory\n");
        return rc;
    }
    w->making.record.size += n;
    if (w->md5.is_begun)
        md5_add(&w->md5, bytes, n);
    if (w->state == WRITE_RECEIVING && (!may_be_all || rc == 0))
        started = start_upload(w, text);
    return started < 0 ? started : rc;
}

/* A value that comes in one piece is whole before it goes to volumes, so that they are told its
 * size where the client didn't say it. */
int write_data(struct write *w, const char *bytes, size_t n, char text[UPLOAD_TEXT_MAX])
{
    int rc = add(w, bytes, n, text);

    if (rc < 0)
        write_abort(w);
    return rc;
}

/* 0, or UV_EILSEQ when the value isn't the one that the caller has announced. */
static int take_md5(struct write *w, const unsigned char *md5, char text[UPLOAD_TEXT_MAX])
{
    struct record *record = &w->making.record;

    if (w->objects->md5 || w->options.needs_md5) {
        record->flags |= RECORD_MD5;
        memcpy(record->md5, md5, MD5_SIZE);
    }
    if (!w->check_md5 || memcmp(md5, w->wanted_md5, MD5_SIZE) == 0)
        return 0;
    strcpy(text, "the value's MD5 is not the one in Content-MD5\n");
    return UV_EILSEQ;
}

static int finish_md5(struct write *w, char text[UPLOAD_TEXT_MAX])
{
    unsigned char md5[MD5_SIZE];

    if (!w->md5.is_begun)
        return 0;
    md5_finish(&w->md5, md5);
    return take_md5(w, md5, text);
}

static int check_meta(const char *meta, size_t meta_len, char text[UPLOAD_TEXT_MAX])
{
    if (note_meta_is_valid(meta, meta_len))
        return 0;
    strcpy(text, "the metadata can't be kept\n");
    return UV_EINVAL;
}

static void set_meta(struct write *w, const char *meta, size_t meta_len)
{
    struct record *record = &w->making.record;

    record->meta_len = (unsigned)meta_len;
    if (meta_len > 0)
        memcpy(record->meta, meta, meta_len);
}

/* 0, or -ENODATA for an empty value that isn't allowed. */
static int check_size(const struct write_options *options, int64_t size, char text[UPLOAD_TEXT_MAX])
{
    if (size != 0 || options->allows_empty)
        return 0;
    strcpy(text, "an empty value can't be stored\n");
    return -ENODATA;
}

int write_end_with(struct write *w, const char *meta, size_t meta_len, char text[UPLOAD_TEXT_MAX])
{
    int rc = check_size(&w->options, (int64_t)w->making.record.size, text);

    if (rc == 0)
        rc = finish_md5(w, text);
    if (rc == 0)
        rc = check_meta(meta, meta_len, text);
    if (rc == 0) {
        set_meta(w, meta, meta_len);
        upload_end(&w->upload, w->note, note_of_record(&w->making.record, w->note));
    }
    if (rc == 0 && w->state == WRITE_RECEIVING)
        rc = start_upload(w, text);
    if (rc < 0)
        write_abort(w);
    return rc;
}

int write_end(struct write *w, char text[UPLOAD_TEXT_MAX])
{
    return write_end_with(w, NULL, 0, text);
}

static int made_cb(struct upload *upload, const unsigned char *md5, const char **note,
                   size_t *note_len)
{
    struct write *w = upload->data;
    int rc = take_md5(w, md5, upload->text);

    if (rc < 0)
        return rc;
    *note = w->note;
    *note_len = note_of_record(&w->making.record, w->note);
    return 0;
}

int write_make(struct write *w, struct recipe *recipe, const unsigned char *md5, const char *meta,
               size_t meta_len, char text[UPLOAD_TEXT_MAX])
{
    int rc = check_meta(meta, meta_len, text);

    if (!upload_can_make(&w->upload, recipe))
        return UV_ENOTSUP;
    if (rc == 0 && md5 != NULL)
        rc = take_md5(w, md5, text);
    if (rc < 0) {
        write_abort(w);
        return rc;
    }
    w->making.record.size = recipe->size;
    set_meta(w, meta, meta_len);
    w->recipe = *recipe;
    w->recipe.wants_md5 = md5 == NULL && (w->check_md5 || w->options.needs_md5);
    *recipe = (struct recipe){.n = 0};
    upload_make(&w->upload, &w->recipe, w->note, note_of_record(&w->making.record, w->note));
    rc = start_upload(w, text);
    if (rc < 0)
        write_abort(w);
    return rc;
}

void write_forget(struct write *w)
{
    w->options.done = NULL;
    making_forget(&w->making);
    if (!w->upload.ended)
        write_abort(w);
    else
        assert(w->options.removes == NULL);
}

/* --- A value that is superseded -------------------------------------------------------------- */

/* Where that has failed, the value counts as one that was replaced. */
static void renewed_cb(void *arg, int rc, const char *text, const struct record *record)
{
    struct write *w = arg;

    (void)text;
    tell_of(w, 0, "", rc == 0 ? record : &w->making.record);
    settle(w);
}

/* Has `again` make what w has made. 0; or negative, and `again` is over. */
static int make_again(struct write *w, struct write *again, char text[UPLOAD_TEXT_MAX])
{
    const struct record *record = &w->making.record;
    const unsigned char *md5 = record->flags & RECORD_MD5 ? record->md5 : NULL;
    struct recipe recipe = {.may_link = true};
    int rc;

    if (record->size == 0)
        return write_end_with(again, record->meta, record->meta_len, text);
    objects_add_to_recipe(w->objects, &recipe, &w->making.key, record, 0, record->size);
    if (upload_can_make(&again->upload, &recipe)) {
        rc = write_make(again, &recipe, md5, record->meta, record->meta_len, text);
    } else {
        write_abort(again);
        rc = UV_ENOTSUP;
    }
    recipe_deinit(&recipe);
    return rc;
}

static void renewal_started_cb(void *arg)
{
    struct write *w = arg;
    char text[UPLOAD_TEXT_MAX];

    if (make_again(w, w->again, text) < 0)
        renewed_cb(w, UV_ECANCELED, "", NULL);
}

static int begin_again(struct write *w)
{
    const struct write_options options = {
        .request_id = w->options.request_id,
        .size = (int64_t)w->making.record.size,
        .needs_md5 = w->making.record.flags & RECORD_MD5,
        .allows_empty = true,
        .replaces = true,
        .removes = w->options.removes,
        .started = renewal_started_cb,
        .done = renewed_cb,
        .arg = w,
    };
    char text[UPLOAD_TEXT_MAX];
    struct write *again;
    int rc;

    if (w->renewals == RENEWALS_MAX)
        return UV_EBUSY;
    rc = write_start(w->objects, &w->making.key, &options, &again, text);
    if (rc < 0)
        return rc;
    again->renewals = w->renewals + 1;
    w->again = again;
    return 0;
}

static void renew(struct write *w)
{
    set_state(w, WRITE_RENEWING);
    if (w->options.done == NULL || begin_again(w) < 0)
        renewed_cb(w, UV_ECANCELED, "", NULL);
}

/* --- The start ------------------------------------------------------------------------------- */

static void start_md5(struct write *w)
{
    if (w->objects->md5 || w->options.needs_md5 || w->check_md5)
        md5_begin(&w->md5);
}

static int choose_volumes(struct write *w)
{
    struct objects *o = w->objects;
    struct record *record = &w->making.record;
    struct upload_target candidates[PLACES_MAX];
    size_t n = places_choose(o->places, &w->making.key, candidates, PLACES_MAX);
    bool best = true; /* of all volumes; else of those that take the value now */
    int rc;

    placement_path(w->making.key.bytes, w->making.key.len, record->generation, w->path);
    w->upload.data = w;
    rc = upload_init(&w->upload,
                     &(struct upload_options){
                         .transfers = o->transfers,
                         .budget = &o->budget,
                         .path = w->path,
                         .request_id = w->options.request_id,
                         .size = w->options.size,
                         .is_framed = w->options.is_framed,
                         .time = record->time,
                         .copies = o->copies,
                         .sync = o->sync,
                         .drained = drained_cb,
                         .made = made_cb,
                         .done = uploaded_cb,
                     },
                     candidates, n);
    for (size_t i = 0; rc == 0 && i < o->copies; i++)
        best = best && w->upload.targets[i].volume == candidates[i].volume;
    record->placed_by = places_mark(o->places, best);
    return rc;
}

/* Chooses the volumes, and announces the blob at them. */
static int begin(struct write *w, char text[UPLOAD_TEXT_MAX])
{
    int rc;

    start_md5(w);
    rc = choose_volumes(w);
    if (rc < 0) {
        strcpy(text, w->upload.text);
    } else {
        rc = making_announce(&w->making, w->upload.targets, w->upload.n_targets);
        if (rc < 0)
            strcpy(text, "the index can't be changed\n");
    }
    if (rc < 0)
        making_deinit(&w->making);
    return rc;
}

static int prepare(struct write *w, const struct key *key, char text[UPLOAD_TEXT_MAX])
{
    const struct making_options options = {
        .replaces = w->options.replaces,
        .condition = w->options.condition,
        .arg = w->options.arg,
        .removes = w->options.removes,
        .announced = announced_cb,
        .done = done_cb,
        .ended = ended_cb,
    };
    const char *why = "";
    int rc;

    w->making.data = w;
    rc = making_init(&w->making, w->objects, key, &options, &why);
    if (rc < 0)
        strcpy(text, why);
    return rc < 0 ? rc : begin(w, text);
}

int write_start(struct objects *o, const struct key *key, const struct write_options *options,
                struct write **write, char text[UPLOAD_TEXT_MAX])
{
    int rc = check_size(options, options->size, text);
    struct write *w;

    if (rc < 0)
        return rc;
    w = calloc(1, sizeof(*w));
    if (w == NULL) {
        strcpy(text, "out of memory\n");
        return UV_ENOMEM;
    }
    w->objects = o;
    w->options = *options;
    if (options->request_id != NULL) {
        snprintf(w->request_id, sizeof(w->request_id), "%s", options->request_id);
        w->options.request_id = w->request_id;
    }
    w->check_md5 = options->md5 != NULL;
    if (w->check_md5)
        memcpy(w->wanted_md5, options->md5, MD5_SIZE);
    w->options.md5 = NULL; /* the caller's may go while the store is told */
    rc = prepare(w, key, text);
    if (rc < 0) {
        upload_deinit(&w->upload);
        free(w);
        return rc;
    }
    objects_begin(o);
    *write = w;
    return rc;
}
