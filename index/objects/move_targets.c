#include "index/objects/move_internal.h"

bool move_has_copy(const struct move *m, const struct place *place)
{
    for (unsigned i = 0; i < m->old.n_places; i++) {
        if (!move_is_one_of(m->options.lost, i) &&
            place_equal(m->objects->places, &m->old.places[i], place))
            return true;
    }
    return false;
}

static bool takes(const struct move *m, const struct upload_target *target)
{
    return volume_takes(target->volume, m->path, (int64_t)m->old.size);
}

/* The best volumes, of which those without a copy have to take one. */
static int find_best(struct move *m)
{
    struct objects *o = m->objects;

    m->n_targets = (unsigned)places_choose(o->places, &m->key, m->targets, o->copies);
    if (m->n_targets < o->copies)
        return move_refuse(m, UV_EREMOTEIO, "too few volumes", "");
    for (unsigned i = 0; i < m->n_targets; i++) {
        const struct upload_target *target = &m->targets[i];

        if (move_has_copy(m, &target->place) || takes(m, target))
            continue;
        if (!volume_can_name(target->volume, m->path))
            return move_refuse(m, UV_EREMOTEIO, "the key is too long for its file system",
                               target->volume->name);
        if (target->volume->state == VOLUME_UNKNOWN) /* it has just been listed */
            return move_refuse(m, UV_EAGAIN, "it hasn't answered yet", target->volume->name);
        return move_refuse(m, UV_EREMOTEIO, "it is down or full", target->volume->name);
    }
    return 0;
}

/* Whether a volume of the zone has a copy, or is to have one. */
static bool has_zone(const struct move *m, uint32_t zone)
{
    struct places *places = m->objects->places;

    for (unsigned i = 0; i < m->n_targets; i++) {
        if (m->targets[i].zone == zone)
            return true;
    }
    for (unsigned i = 0; i < m->record.n_places; i++) {
        const struct volume *volume = place_volume(places, &m->record.places[i]);

        if (volume != NULL && volume->zone_number == zone)
            return true;
    }
    return false;
}

static bool is_taken(const struct move *m, const struct place *place)
{
    const struct places *places = m->objects->places;
    bool found = places_have(places, m->record.places, m->record.n_places, place);

    for (unsigned i = 0; i < m->n_targets && !found; i++)
        found = place_equal(places, &m->targets[i].place, place);
    return found;
}

/* Adds the best of those that take it to the targets, up to so many copies in all; at first those
 * of zones without a copy. */
static void choose_more(struct move *m, const struct upload_target *candidates, size_t n,
                        bool any_zone)
{
    for (size_t i = 0; i < n && m->record.n_places + m->n_targets < m->objects->copies; i++) {
        const struct upload_target *candidate = &candidates[i];

        if (takes(m, candidate) && !is_taken(m, &candidate->place) &&
            (any_zone || !has_zone(m, candidate->zone)))
            m->targets[m->n_targets++] = *candidate;
    }
}

/* As many of these old places as fit. */
static void keep_places(struct move *m, unsigned places)
{
    const struct objects *o = m->objects;

    for (unsigned i = 0; i < m->old.n_places; i++) {
        if (move_is_one_of(places, i) && m->record.n_places + m->n_targets < o->copies &&
            !is_taken(m, &m->old.places[i]))
            m->record.places[m->record.n_places++] = m->old.places[i];
    }
}

/* The old places that can be read now, as bits. */
static unsigned find_readable(const struct move *m)
{
    unsigned readable = 0;

    for (unsigned i = 0; i < m->old.n_places; i++) {
        if (!move_is_one_of(m->options.lost, i) &&
            place_live(m->objects->places, &m->old.places[i]) != NULL)
            readable |= 1U << i;
    }
    return readable;
}

/* The good copies that stay, those first that can be read, and as many more as are missing. */
static int find_more(struct move *m)
{
    struct upload_target candidates[PLACES_MAX];
    size_t n = places_choose(m->objects->places, &m->key, candidates, PLACES_MAX);
    unsigned bad = m->options.lost | m->options.leaving;
    bool lacks = bad != 0 || m->old.n_places < m->objects->copies;

    keep_places(m, find_readable(m) & ~bad);
    keep_places(m, ~bad);
    choose_more(m, candidates, n, false);
    choose_more(m, candidates, n, true);
    m->is_short = m->record.n_places + m->n_targets < m->objects->copies;
    keep_places(m, bad);
    if (m->n_targets == 0 && lacks && m->old.n_places <= m->objects->copies)
        return move_refuse(m, UV_EREMOTEIO, "no other volume can take a copy", "");
    return 0;
}

static bool is_same_set(const struct move *m)
{
    const struct places *places = m->objects->places;
    bool same = m->old.n_places == m->record.n_places;

    for (unsigned i = 0; i < m->record.n_places && same; i++)
        same = places_have(places, m->old.places, m->old.n_places, &m->record.places[i]);
    return same;
}

/* Whether the new places are those that the key has with all volumes up. */
static bool is_best(struct move *m)
{
    struct objects *o = m->objects;
    struct upload_target best[PLACES_MAX];
    size_t n = places_choose(o->places, &m->key, best, o->copies);
    bool found = n == m->record.n_places;

    for (size_t i = 0; i < n && found; i++)
        found = places_have(o->places, m->record.places, m->record.n_places, &best[i].place);
    return found;
}

bool move_keeps_enough(const struct move *m, unsigned readable)
{
    const struct record *old = &m->old;
    unsigned n_before = 0;
    unsigned n_after = 0;

    for (unsigned i = 0; i < old->n_places; i++)
        n_before += move_is_one_of(m->readable, i);
    for (unsigned i = 0; i < m->record.n_places; i++)
        n_after += !move_has_copy(m, &m->record.places[i]); /* they are made */
    for (unsigned i = 0; i < old->n_places; i++)
        n_after += move_is_one_of(readable, i) && places_have(m->objects->places, m->record.places,
                                                              m->record.n_places, &old->places[i]);
    return n_after >= n_before || n_after >= m->objects->copies;
}

/* Where the copies are to be, and which of them are to be made. */
int move_find_targets(struct move *m)
{
    unsigned missing = 0;
    int rc;

    m->record.n_places = 0;
    m->readable = find_readable(m);
    rc = m->options.goal == MOVE_TO_BEST ? find_best(m) : find_more(m);
    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < m->n_targets; i++) {
        missing += !move_has_copy(m, &m->targets[i].place);
        m->record.places[m->record.n_places++] = m->targets[i].place;
    }
    if (!move_keeps_enough(m, m->readable))
        return move_refuse(m, UV_EREMOTEIO, "copies that would stay can't be read now", "");
    m->record.placed_by = m->old.generation > 0 ? places_mark(m->objects->places, is_best(m)) : 0;
    return missing == 0 && is_same_set(m) ? UV_EALREADY : 0;
}
