#include "index/maintenance/choose.h"

#include <string.h>

#include "index/base/generation.h"
#include "index/base/log.h"

/* Whether a copy has the size that the backup knows. */
static bool is_whole_as_known(const struct copies *c)
{
    bool is_whole = false;

    for (unsigned i = 0; i < c->n && c->is_known; i++)
        is_whole |= c->list[i].size == c->known.size;
    return is_whole;
}

/* The right size of a generation, and whether the backup or a note vouches for it. */
static uint64_t right_size(const struct copies *c, bool *is_sure)
{
    uint64_t best = 0;
    unsigned most = 0;

    *is_sure = is_whole_as_known(c);
    if (*is_sure)
        return c->known.size;
    for (unsigned i = 0; i < c->n; i++) {
        unsigned same = 0;

        if (c->list[i].note.has_size && c->list[i].note.size == c->list[i].size) {
            *is_sure = true;
            return c->list[i].size;
        }
        for (unsigned k = 0; k < c->n; k++)
            same += c->list[k].size == c->list[i].size;
        if (same > most || (same == most && c->list[i].size > best)) {
            most = same;
            best = c->list[i].size;
        }
    }
    return best;
}

/* Whether no copy is what the backup, or its note, says that it should be. */
static bool is_cut(const struct copies *c)
{
    bool is_sure;

    if (c->is_known)
        return !is_whole_as_known(c);
    right_size(c, &is_sure);
    for (unsigned i = 0; i < c->n && !is_sure; i++) {
        if (c->list[i].note.has_size)
            return true;
    }
    return false;
}

static int make_orphan(struct choose *s, uint64_t generation, const struct place *places,
                       unsigned n)
{
    struct orphan orphan = {.n_places = n};

    if (n == 0)
        return 0;
    memcpy(orphan.places, places, n * sizeof(*places));
    s->counts.orphans++;
    return s->orphan_cb(&s->key, generation, &orphan, s->arg);
}

static int leave(struct choose *s, const struct copies *c)
{
    struct place places[ORPHAN_PLACES_MAX];

    for (unsigned i = 0; i < c->n; i++)
        places[i] = c->list[i].place;
    return make_orphan(s, c->generation, places, c->n);
}

/* The time of a blob: its file's, which has whole seconds, and the generation's milliseconds where
 * it is of that second. */
static uint64_t time_of(uint64_t generation, uint64_t mtime)
{
    uint64_t made = generation_time(generation);

    return made / 1000 == mtime / 1000 ? made : mtime;
}

/* Metadata is written once: the copies of a generation have the same, or lack it. */
static void take_meta(struct record *r, const char *meta, unsigned len)
{
    if (len == 0)
        return;
    memcpy(r->meta, meta, len);
    r->meta_len = len;
}

/* What the backup knows of the value. What the file says stays where that has none. */
static void take_known(struct record *r, const struct record *known)
{
    r->time = known->time;
    r->flags |= known->flags;
    if (known->flags & RECORD_MD5)
        memcpy(r->md5, known->md5, MD5_SIZE);
    take_meta(r, known->meta, known->meta_len);
}

/* Makes the record of copies of the right size. Others of the same generation are orphans where it
 * is sure that they are wrong; else they are left alone. */
static int take(struct choose *s, const struct copies *c)
{
    struct place others[ORPHAN_PLACES_MAX];
    unsigned n_others = 0;
    bool disagree = false;
    bool is_sure;
    uint64_t size = right_size(c, &is_sure);
    struct record *r = &s->record;

    record_clear(r);
    r->size = size;
    r->time = time_of(c->generation, c->list[0].time);
    r->generation = c->generation;
    take_meta(r, c->meta, c->meta_len);
    for (unsigned i = 0; i < c->n; i++) {
        const struct copy *copy = &c->list[i];

        disagree |= copy->size != size;
        if (copy->size != size || r->n_places == PLACES_MAX) {
            if (is_sure || copy->size == size)
                others[n_others++] = copy->place;
            continue;
        }
        r->places[r->n_places++] = copy->place;
        if (copy->note.has_md5 && !(r->flags & RECORD_MD5)) {
            r->flags |= RECORD_MD5;
            memcpy(r->md5, copy->note.md5, MD5_SIZE);
        }
    }
    if (c->is_known)
        take_known(r, &c->known);
    s->chosen = true;
    s->counts.disagree += disagree;
    s->counts.copies += r->n_places;
    if (disagree)
        log_warn("copies of %.*s differ in size: those of %llu bytes are taken", (int)s->key.len,
                 s->key.bytes, (unsigned long long)size);
    return make_orphan(s, c->generation, others, n_others);
}

/* Files of a generation: they are the value, or may still be it, or are none. */
static int judge(struct choose *s, const struct copies *c)
{
    bool may_be_value = !s->chosen && !c->is_orphan;
    int rc;

    if (may_be_value && !is_cut(c)) {
        rc = leave(s, &s->newest);
        s->newest.n = 0;
        return rc == 0 ? take(s, c) : rc;
    }
    if (may_be_value && s->newest.n == 0) {
        s->newest = *c;
        return 0;
    }
    return leave(s, c);
}

/* The generation at hand is complete. */
static int end_generation(struct choose *s)
{
    struct copies *c = &s->copies;
    int rc = 0;

    if (c->n > 0)
        rc = judge(s, c);
    else
        s->is_lost |= c->is_known && !c->is_orphan && !s->chosen;
    c->n = c->meta_len = 0;
    c->is_known = c->is_orphan = false;
    return rc;
}

/* All of the key's files are known. */
static int end_key(struct choose *s)
{
    int rc = end_generation(s);

    if (rc == 0 && !s->chosen && s->newest.n > 0) {
        log_warn("no copy of %.*s is whole", (int)s->key.len, s->key.bytes);
        s->counts.cut++;
        rc = take(s, &s->newest);
    }
    if (rc == 0 && s->chosen) {
        s->counts.keys++;
        rc = s->key_cb(&s->key, &s->record, s->arg);
    }
    if (s->is_lost && s->chosen)
        log_warn("the backup knows a later value of %.*s, which has no file any more: an older one "
                 "is taken",
                 (int)s->key.len, s->key.bytes);
    s->counts.lost += s->is_lost && !key_is_reserved(s->key.bytes, s->key.len);
    s->key.len = 0;
    s->newest.n = 0;
    s->chosen = s->is_lost = false;
    return rc;
}

static void take_backup(struct copies *c, const struct found *found)
{
    if (found->kind == FOUND_ORPHAN) {
        c->is_orphan = true;
        return;
    }
    c->is_known = true;
    record_clear(&c->known);
    c->known.size = found->size;
    c->known.time = found->time;
    if (found->is_unlinked)
        c->known.flags |= RECORD_UNLINKED;
    if (found->note.has_md5) {
        c->known.flags |= RECORD_MD5;
        memcpy(c->known.md5, found->note.md5, MD5_SIZE);
    }
    take_meta(&c->known, found->note.meta, (unsigned)found->note.meta_len);
}

/* A file whose size isn't that of its note is damaged, and says nothing. */
static void take_file(struct copies *c, const struct found *found)
{
    const struct note *note = &found->note;

    c->list[c->n++] = (struct copy){
        .place = found->place, .size = found->size, .time = found->time, .note = *note};
    if (c->meta_len > 0 || note->meta_len == 0 || (note->has_size && note->size != found->size))
        return;
    memcpy(c->meta, note->meta, note->meta_len);
    c->meta_len = (unsigned)note->meta_len;
}

int choose_add(struct choose *s, const struct found *found)
{
    struct copies *c = &s->copies;
    int rc = 0;

    if (found->key.len != s->key.len || memcmp(found->key.bytes, s->key.bytes, s->key.len) != 0) {
        rc = end_key(s);
        s->key.len = found->key.len;
        memcpy(s->key.bytes, found->key.bytes, found->key.len);
    } else if (found->generation != c->generation) {
        rc = end_generation(s);
    }
    if (rc < 0)
        return rc;
    c->generation = found->generation;
    if (found->kind != FOUND_FILE) {
        take_backup(c, found);
        return 0;
    }
    if (c->n == ORPHAN_PLACES_MAX) {
        s->counts.too_many++;
        return 0;
    }
    take_file(c, found);
    return 0;
}

int choose_end(struct choose *s)
{
    return end_key(s);
}
