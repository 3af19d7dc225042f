/* A copy is picked and asked for with a HEAD. When its volume hasn't got it, or has a file of
 * another size, or can't be reached, another one is picked, until none is left. */
#include "index/objects/copy_search.h"

#include "index/base/log.h"

int copy_pick(struct objects *o, const struct record *record, unsigned tried)
{
    int live[PLACES_MAX];
    unsigned n = 0;

    for (unsigned i = 0; i < record->n_places; i++) {
        if (!(tried >> i & 1) && place_live(o->places, &record->places[i]) != NULL)
            live[n++] = (int)i;
    }
    return n > 0 ? live[o->read_turn++ % n] : -1;
}

static bool ask_next(struct copy_search *s);

static void end(struct copy_search *s, int place)
{
    struct objects *o = s->objects;

    s->done(s, place);
    objects_end(o);
}

/* Whether the volume's file is as long as the value. */
static bool has_size(const struct copy_search *s)
{
    return s->transfer.length < 0 || (uint64_t)s->transfer.length == s->record.size;
}

static void log_missing(const struct copy_search *s, int status)
{
    const struct volume *volume = s->transfer.volume;

    if (transfer_succeeded(0, status) && !has_size(s))
        log_limited(LOG_LEVEL_WARN, "a copy is damaged: volume %s has %lld bytes of %llu",
                    volume->name, (long long)s->transfer.length,
                    (unsigned long long)s->record.size);
    else if (transfer_succeeded(0, status))
        log_limited(LOG_LEVEL_WARN, "a copy is missing: volume %s has another disk now",
                    volume->name);
    else
        log_limited(LOG_LEVEL_WARN, "a copy is missing: volume %s answered %d", volume->name,
                    status);
}

static void asked_cb(struct transfer *transfer, int rc, int status)
{
    struct copy_search *s = transfer->data;
    struct volume *volume = transfer->volume;

    volume_report(volume, rc, status);
    if (transfer_failed_here(rc)) { /* nor could another one be asked */
        end(s, -1);
        return;
    }
    if (transfer_succeeded(rc, status) && volume_has_answered(volume, transfer) && has_size(s)) {
        if (volume_is_live(volume)) { /* it may have gone down since it was asked */
            end(s, s->place);
            return;
        }
    } else if (rc == 0) {
        log_missing(s, status);
    }
    s->tried |= 1U << s->place;
    if (!ask_next(s))
        end(s, -1);
}

/* False when none is left. */
static bool ask_next(struct copy_search *s)
{
    char path[PLACEMENT_PATH_MAX];
    char url[PLACEMENT_URL_MAX];

    placement_path(s->key.bytes, s->key.len, s->record.generation, path);
    while (!s->cancelled && (s->place = copy_pick(s->objects, &s->record, s->tried)) >= 0) {
        const struct place *place = &s->record.places[s->place];
        struct volume *volume = place_live(s->objects->places, place);

        s->transfer.volume = volume;
        placement_url(volume->name, place, path, url);
        if (transfer_head(s->objects->transfers, &s->transfer, url, asked_cb) == 0)
            return true;
        s->tried |= 1U << s->place;
    }
    return false;
}

int copy_search_start(struct copy_search *s, struct objects *objects, const struct key *key,
                      const struct record *record, unsigned tried, copy_search_done_cb done)
{
    s->objects = objects;
    s->key = *key;
    record_copy(&s->record, record);
    s->tried = tried;
    s->cancelled = false;
    s->done = done;
    s->transfer = (struct transfer){.data = s};
    if (!ask_next(s))
        return UV_EAGAIN;
    objects_begin(objects);
    return 0;
}

void copy_search_cancel(struct copy_search *s)
{
    s->cancelled = true;
}
