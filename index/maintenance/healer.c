/* Every few seconds the healer looks which disks are away: a disk is an id of the store's, for
 * another disk at the same address doesn't have what the first one held. One that is away for long
 * makes a heal due; so does a forget, after which keys have too few places. A heal that could not
 * mend all is tried again later. */
#include "index/maintenance/healer.h"

#include <stdlib.h>
#include <string.h>

#include "index/base/clock.h"
#include "index/base/log.h"
#include "index/maintenance/forget.h"
#include "index/maintenance/heal.h"
#include "index/maintenance/scrub.h"

#define LOOK_MIN  200          /* ms between two looks, */
#define LOOK_MAX  5000         /* at least and at most */
#define AGAIN_MIN 10000        /* ms after a heal that could not mend all, */
#define AGAIN_MAX 600000       /* likewise */
#define HEAL_JOBS 2            /* keys at once, */
#define HEAL_RATE (64UL << 20) /* and bytes a second: clients come first */

/* A disk, by its id in the store. */
struct disk {
    uint64_t since; /* loop time since when it is away; 0: it is there */
    bool is_long;   /* away for options.repair_after, and a heal was due for it */
};

struct healer {
    struct objects *objects;
    struct jobs *jobs;
    struct healer_options options;
    uv_timer_t timer;
    struct disk *disks;
    uint32_t n_disks;
    bool held;          /* more than half of the volumes are away */
    uint64_t due;       /* loop time of the next heal; 0: none is */
    uint64_t job;       /* id of the heal that runs, or 0 */
    uint64_t scrub;     /* likewise of the scrub */
    bool scrub_off;     /* it was cancelled: there is none until the index starts again */
    uint64_t looked_at; /* loop time of the last look at forgets */
    void (*stop_cb)(void *arg);
    void *stop_arg;
};

static uint64_t now(const struct healer *h)
{
    return uv_now(h->objects->loop);
}

static uint64_t between(uint64_t value, uint64_t min, uint64_t max)
{
    return value < min ? min : value > max ? max : value;
}

/* --- Who is away ----------------------------------------------------------------------------- */

bool healer_is_lost(const struct healer *h, const struct place *place)
{
    return place->volume < h->n_disks && h->disks[place->volume].is_long &&
           place_live(h->objects->places, place) == NULL;
}

/* Makes `disks` reach to all ids that the store has. */
static int learn_disks(struct healer *h)
{
    while (store_volume_name(h->objects->store, h->n_disks) != NULL) {
        struct disk *disks = realloc(h->disks, (h->n_disks + 1) * sizeof(*disks));

        if (disks == NULL)
            return UV_ENOMEM;
        h->disks = disks;
        disks[h->n_disks++] = (struct disk){.since = 0};
    }
    return 0;
}

static void look_at_disk(struct healer *h, uint32_t id)
{
    const struct place place = {.volume = id};
    struct disk *disk = &h->disks[id];

    if (place_live(h->objects->places, &place) != NULL) {
        *disk = (struct disk){.since = 0};
        return;
    }
    if (disk->since == 0)
        disk->since = now(h);
    if (disk->is_long || now(h) - disk->since < h->options.repair_after)
        return;
    disk->is_long = true;
    h->due = now(h);
}

/* Of those that are listed. */
static bool is_majority_away(const struct healer *h)
{
    struct volumes *volumes = places_volumes(h->objects->places);
    unsigned n_listed = 0;
    unsigned n_away = 0;

    for (size_t i = 0; i < volumes_count(volumes); i++) {
        const struct volume *volume = volumes_at(volumes, i);

        n_listed += volume->is_listed;
        n_away += volume->is_listed && !volume_is_live(volume);
    }
    return 2 * n_away > n_listed;
}

/* --- Jobs ------------------------------------------------------------------------------------ */

/* Holds what mkv itself has begun, or lets it go on; of several indexes one alone does such. */
static void hold(struct healer *h, bool held)
{
    bool leads = store_leads(h->objects->store);

    if (held != h->held)
        log_limited(LOG_LEVEL_WARN,
                    held ? "more than half of the volumes are away: nothing is healed "
                           "meanwhile"
                         : "enough volumes are back: healing goes on");
    h->held = held;
    for (struct job *job = jobs_next(h->jobs, NULL); job != NULL; job = jobs_next(h->jobs, job)) {
        if (job->options.is_automatic)
            job->is_held = held || !leads;
    }
}

/* A forget that has ended leaves keys with too few places. */
static void look_at_forgets(struct healer *h)
{
    for (struct job *job = jobs_next(h->jobs, NULL); job != NULL; job = jobs_next(h->jobs, job)) {
        if (job->type == &forget_type && job->state != JOB_RUNNING && job->ended_at >= h->looked_at)
            h->due = now(h);
    }
    h->looked_at = now(h);
}

/* After one that could not mend all there is another one. One that was cancelled has its peace
 * until another disk goes. */
static void look_at_heal(struct healer *h)
{
    const struct job *job = h->job != 0 ? jobs_find(h->jobs, h->job) : NULL;

    if (job != NULL && job->state == JOB_RUNNING)
        return;
    if (job != NULL && job->state != JOB_CANCELED && !job->is_clean)
        h->due = now(h) + between(h->options.repair_after, AGAIN_MIN, AGAIN_MAX);
    h->job = 0;
}

static void look_at_scrub(struct healer *h)
{
    const struct job *job = h->scrub != 0 ? jobs_find(h->jobs, h->scrub) : NULL;

    if (job != NULL && job->state == JOB_RUNNING)
        return;
    h->scrub_off = h->scrub_off || (job != NULL && job->state == JOB_CANCELED);
    h->scrub = 0;
}

static void heal(struct healer *h)
{
    const struct job_options options = {.is_automatic = true, .jobs = HEAL_JOBS, .rate = HEAL_RATE};
    char text[JOB_TEXT_MAX];
    struct job *job;

    if (h->options.repair_after == 0 || h->due == 0 || now(h) < h->due || h->job != 0)
        return;
    if (jobs_start(h->jobs, &heal_type, &options, &job, text) < 0)
        return; /* it stays due */
    h->due = 0;
    h->job = job->id;
}

static void scrub(struct healer *h)
{
    const struct job_options options = {.is_automatic = true,
                                        .deep = true,
                                        .repair = true,
                                        .jobs = 1,
                                        .spread = h->options.verify_every};
    struct scrub_state state;
    struct store_stats stats;
    char text[JOB_TEXT_MAX];
    struct job *job;

    store_stats(h->objects->store, &stats);
    if (h->options.verify_every == 0 || stats.keys + stats.unlinked == 0 || h->scrub_off ||
        h->scrub != 0)
        return;
    scrub_load(h->objects, &state);
    if (state.begun != 0 || state.verified + h->options.verify_every <= clock_now_ms())
        h->scrub = jobs_start(h->jobs, &scrub_type, &options, &job, text) == 0 ? job->id : 0;
}

static void look_cb(uv_timer_t *timer)
{
    struct healer *h = timer->data;

    if (learn_disks(h) < 0)
        return;
    for (uint32_t id = 0; id < h->n_disks; id++)
        look_at_disk(h, id);
    hold(h, is_majority_away(h));
    look_at_forgets(h);
    look_at_heal(h);
    look_at_scrub(h);
    if (h->held || !store_leads(h->objects->store))
        return;
    heal(h);
    scrub(h);
}

/* --- Start and stop -------------------------------------------------------------------------- */

int healer_start(struct objects *objects, struct jobs *jobs, const struct healer_options *options,
                 struct healer **healer)
{
    struct healer *h = calloc(1, sizeof(*h));
    uint64_t interval = between(options->repair_after / 10, LOOK_MIN, LOOK_MAX);

    if (h == NULL)
        return UV_ENOMEM;
    *h = (struct healer){.objects = objects, .jobs = jobs, .options = *options};
    if (options->repair_after == 0)
        interval = LOOK_MAX;
    uv_timer_init(objects->loop, &h->timer);
    h->timer.data = h;
    uv_timer_start(&h->timer, look_cb, interval, interval);
    *healer = h;
    return 0;
}

void healer_state(const struct healer *h, struct healer_state *state)
{
    struct scrub_state scrub;

    scrub_load(h->objects, &scrub);
    *state = (struct healer_state){.options = h->options,
                                   .held = h->held,
                                   .verify_begun = scrub.begun,
                                   .verified = scrub.verified};
}

static void closed_cb(uv_handle_t *handle)
{
    struct healer *h = handle->data;
    void (*cb)(void *arg) = h->stop_cb;
    void *arg = h->stop_arg;

    free(h->disks);
    free(h);
    cb(arg);
}

void healer_stop(struct healer *h, void (*cb)(void *arg), void *arg)
{
    h->stop_cb = cb;
    h->stop_arg = arg;
    uv_close((uv_handle_t *)&h->timer, closed_cb);
}
