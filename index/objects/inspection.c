/* Happy path: each place whose volume is up is asked, all at once; with the last answer the copies
 * are judged, and `done` fires. A volume that gives no answer, or whose disk is another one by now,
 * is away. From one that reads no blobs itself (it is nginx and nothing of mkv) they are fetched.
 *
 * The record's MD5 tells good copies from bad ones. Without one, copies of the right size that most
 * of them agree with are good. */
#include "index/objects/inspection.h"

#include <stdlib.h>
#include <string.h>

#include "index/cluster/hash.h"

struct inspected_copy {
    struct inspection *inspection;
    enum copy_state state;
    bool running;
    bool hashing; /* the volume reads it: `hash` runs; else `transfer` does */
    struct volume *volume;
    struct transfer transfer; /* a HEAD, or the GET of a deep check */
    struct hash hash;
    struct md5 md5; /* of what was fetched so far, */
    uint64_t size;  /* and its size */
};

/* --- The judgement --------------------------------------------------------------------------- */

static unsigned votes_for(const struct inspection *in, const struct inspected_copy *copy)
{
    unsigned n = 0;

    for (unsigned i = 0; i < in->record.n_places; i++) {
        const struct inspected_copy *other = &in->copies[i];

        n += other->state == COPY_GOOD && memcmp(other->hash.md5, copy->hash.md5, MD5_SIZE) == 0;
    }
    return n;
}

/* Of those that have the right size. */
static void let_vote(struct inspection *in)
{
    unsigned n_voters = inspection_count(in, COPY_GOOD);
    unsigned most = 0;

    for (unsigned i = 0; i < in->record.n_places; i++) {
        unsigned votes = in->copies[i].state == COPY_GOOD ? votes_for(in, &in->copies[i]) : 0;

        most = votes > most ? votes : most;
    }
    for (unsigned i = 0; i < in->record.n_places; i++) {
        if (in->copies[i].state == COPY_GOOD && 2 * most <= n_voters)
            in->states[i] = COPY_DOUBTED;
        else if (in->copies[i].state == COPY_GOOD && votes_for(in, &in->copies[i]) < most)
            in->states[i] = COPY_ROTTEN;
    }
}

static void judge(struct inspection *in)
{
    for (unsigned i = 0; i < in->record.n_places; i++)
        in->states[i] = in->copies[i].state;
    if (in->deep && !(in->record.flags & RECORD_MD5))
        let_vote(in);
}

static void copy_ended(struct inspected_copy *copy, enum copy_state state)
{
    struct inspection *in = copy->inspection;
    struct objects *o = in->objects;

    copy->state = state;
    copy->running = false;
    if (--in->n_pending > 0)
        return;
    judge(in);
    free(in->copies);
    in->copies = NULL;
    in->done(in); /* which may begin a move, before nothing runs any more */
    objects_end(o);
}

/* --- Looking, and reading -------------------------------------------------------------------- */

static void looked_cb(struct transfer *transfer, int rc, int status)
{
    struct inspected_copy *copy = transfer->data;
    enum copy_state state = COPY_AWAY;

    volume_report(copy->volume, rc, status);
    if (rc < 0 || !volume_has_answered(copy->volume, transfer))
        state = COPY_AWAY;
    else if (status == 404)
        state = COPY_MISSING;
    else if (status == 200)
        state = transfer->length == (int64_t)copy->inspection->record.size ? COPY_GOOD : COPY_SHORT;
    copy_ended(copy, state);
}

static enum copy_state state_found(const struct inspection *in, const struct hash *hash)
{
    if (hash->found == HASH_MISSING)
        return COPY_MISSING;
    if (hash->found == HASH_UNREADABLE)
        return COPY_UNREADABLE;
    if (hash->size != in->record.size)
        return COPY_SHORT;
    if (in->record.flags & RECORD_MD5 && memcmp(hash->md5, in->record.md5, MD5_SIZE) != 0)
        return COPY_ROTTEN;
    return COPY_GOOD;
}

static bool fetch_write_cb(struct transfer *transfer, const char *bytes, size_t n)
{
    struct inspected_copy *copy = transfer->data;

    md5_add(&copy->md5, bytes, n);
    copy->size += n;
    return true;
}

static void fetched_cb(struct transfer *transfer, int rc, int status)
{
    struct inspected_copy *copy = transfer->data;
    bool answered = rc == 0 && volume_has_answered(copy->volume, transfer);
    struct hash found = {.found = status == 404 ? HASH_MISSING : HASH_READ, .size = copy->size};

    md5_finish(&copy->md5, found.md5);
    memcpy(copy->hash.md5, found.md5, MD5_SIZE);
    volume_report(copy->volume, rc, status);
    copy_ended(copy, answered && (status == 200 || status == 404)
                         ? state_found(copy->inspection, &found)
                         : COPY_AWAY);
}

static void make_url(const struct inspected_copy *copy, char url[PLACEMENT_URL_MAX])
{
    const struct inspection *in = copy->inspection;
    char path[PLACEMENT_PATH_MAX];

    placement_path(in->key.bytes, in->key.len, in->record.generation, path);
    placement_url(copy->volume->name, &in->record.places[copy - in->copies], path, url);
}

static int fetch(struct inspected_copy *copy)
{
    char url[PLACEMENT_URL_MAX];

    make_url(copy, url);
    copy->hashing = false;
    md5_begin(&copy->md5);
    return transfer_get(copy->inspection->objects->transfers, &copy->transfer, url, 0,
                        fetch_write_cb, fetched_cb);
}

static void read_cb(struct hash *hash, int rc)
{
    struct inspected_copy *copy = hash->data;

    if (rc != UV_ENOTSUP || fetch(copy) < 0)
        copy_ended(copy, rc < 0 ? COPY_AWAY : state_found(copy->inspection, hash));
}

static int ask(struct inspection *in, unsigned i, const char *path)
{
    const struct place *place = &in->record.places[i];
    struct inspected_copy *copy = &in->copies[i];
    struct transfers *transfers = in->objects->transfers;
    char url[PLACEMENT_URL_MAX];

    copy->inspection = in;
    copy->state = in->states[i] = COPY_AWAY;
    copy->volume = place_live(in->objects->places, place);
    if (copy->volume == NULL)
        return UV_EAGAIN;
    copy->transfer.data = copy->hash.data = copy;
    copy->transfer.volume = copy->volume;
    copy->hash.bytes = in->record.size;
    copy->hashing = in->deep;
    if (in->deep)
        return hash_start(&copy->hash, transfers, copy->volume, place, path, read_cb);
    make_url(copy, url);
    return transfer_head(transfers, &copy->transfer, url, looked_cb);
}

int inspection_start(struct inspection *in, struct objects *o, const struct key *key,
                     const struct record *record, bool deep, inspection_done_cb done)
{
    char path[PLACEMENT_PATH_MAX];
    void *data = in->data;
    int rc = UV_EAGAIN;

    *in = (struct inspection){
        .data = data, .objects = o, .key = *key, .record = *record, .deep = deep, .done = done};
    in->copies = calloc(record->n_places, sizeof(*in->copies));
    if (in->copies == NULL)
        return UV_ENOMEM;
    placement_path(key->bytes, key->len, record->generation, path);
    for (unsigned i = 0; i < record->n_places; i++) {
        int asked = ask(in, i, path);

        in->copies[i].running = asked == 0;
        in->n_pending += asked == 0;
        rc = asked == UV_ENOMEM && in->n_pending == 0 ? asked : rc;
    }
    if (in->n_pending == 0) {
        free(in->copies);
        in->copies = NULL;
        return rc;
    }
    objects_begin(o);
    return 0;
}

void inspection_cancel(struct inspection *in)
{
    for (unsigned i = 0; i < in->record.n_places && in->copies != NULL; i++) {
        if (in->copies[i].running && !in->copies[i].hashing)
            transfer_cancel(&in->copies[i].transfer);
        else if (in->copies[i].running)
            hash_cancel(&in->copies[i].hash);
    }
}

unsigned inspection_lost(const struct inspection *in)
{
    unsigned lost = 0;

    for (unsigned i = 0; i < in->record.n_places; i++) {
        if (in->states[i] != COPY_GOOD && in->states[i] != COPY_AWAY &&
            in->states[i] != COPY_DOUBTED)
            lost |= 1U << i;
    }
    return lost;
}

unsigned inspection_count(const struct inspection *in, enum copy_state state)
{
    unsigned n = 0;

    for (unsigned i = 0; i < in->record.n_places; i++)
        n += (in->copies != NULL ? in->copies[i].state : in->states[i]) == state;
    return n;
}

const char *copy_state_name(enum copy_state state)
{
    static const char *const names[] = {"good",       "missing", "of another size", "damaged",
                                        "unreadable", "away",    "in doubt"};

    return names[state];
}
