#include "index/objects/places.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "index/base/crc32c.h"
#include "index/base/log.h"
#include "index/cluster/placement.h"

#define NAME_MAX_IN_STORE (VOLUME_ADDRESS_MAX + 1 + TRANSFER_VOLUME_ID_MAX)

/* What an id of the store stands for; its name there is the volume's and, if it has one, after a
 * space the identity. */
struct known {
    struct volume *volume; /* at that address */
    char identity[TRANSFER_VOLUME_ID_MAX + 1];
};

/* A volume whose id the store is asked for. */
struct naming {
    struct volume *volume;
    char name[NAME_MAX_IN_STORE];
    struct store_reading reading;
    LIST_ENTRY(naming) link;
};

LIST_HEAD(naming_list, naming);

struct places {
    struct store *store;
    struct transfers *transfers;
    struct volumes *volumes;
    struct naming_list namings;
    unsigned copies;
    struct known *known; /* by id */
    uint32_t n_known;
    /* Those that are listed, for placement. */
    struct placement_list list;
    const char *names[VOLUMES_MAX];
    uint32_t zones[VOLUMES_MAX];
    unsigned weights[VOLUMES_MAX];
    struct volume *listed[VOLUMES_MAX];
    unsigned n_zones;
    bool any_shared;    /* a zone by several volumes, listed or not */
    uint32_t list_mark; /* 31 bits that tell this list from another one; 0: to be made anew */
};

/* The number of a volume's zone is the position of the first volume that is in it. */
static void number_zones(struct places *r)
{
    r->any_shared = false;
    for (size_t i = 0; i < volumes_count(r->volumes); i++) {
        struct volume *volume = volumes_at(r->volumes, i);
        size_t first = 0;

        while (strcasecmp(volumes_at(r->volumes, first)->zone, volume->zone) != 0)
            first++;
        volume->zone_number = (uint32_t)first;
        r->any_shared = r->any_shared || first != i;
    }
}

/* The volume at an id's address: one that isn't listed any more, or was listed by another index
 * only, may hold something, too. NULL: there are too many. */
static int learn_volume(struct places *r, const char *stored, size_t len, struct volume **volume)
{
    char name[VOLUME_ADDRESS_MAX];
    int rc;

    snprintf(name, sizeof(name), "%.*s", (int)len, stored);
    rc = volumes_know(r->volumes, name, volume);
    if (rc != UV_E2BIG)
        return rc;
    log_limited(LOG_LEVEL_WARN, "more than %d volumes are known: %s is forgotten", VOLUMES_MAX,
                name);
    *volume = NULL;
    return 0;
}

/* Makes `known` reach to all ids that the store has. */
static int learn_ids(struct places *r)
{
    const char *name;

    while ((name = store_volume_name(r->store, r->n_known)) != NULL) {
        struct known *known = realloc(r->known, (r->n_known + 1) * sizeof(*known));
        size_t len = strcspn(name, " ");
        int rc;

        if (known == NULL)
            return UV_ENOMEM;
        r->known = known;
        known += r->n_known;
        rc = learn_volume(r, name, len, &known->volume);
        if (rc < 0)
            return rc;
        snprintf(known->identity, sizeof(known->identity), "%s",
                 name[len] != '\0' ? name + len + 1 : "");
        r->n_known++;
    }
    number_zones(r);
    return 0;
}

/* The other volume whose disk has this identity, as far as is known: it is listed, was known by
 * that identity, and has not answered with another one since. */
static const struct volume *owner_of(const struct places *r, const struct volume *volume)
{
    const struct volume *owner = NULL;

    for (uint32_t id = 0; id < r->n_known && volume->identity[0] != '\0'; id++) {
        const struct known *known = &r->known[id];
        const struct volume *other = known->volume;

        if (other == NULL || strcmp(known->identity, volume->identity) != 0)
            continue;
        if (other == volume)
            return NULL;
        if (other->is_listed &&
            (other->shown[0] == '\0' || strcmp(other->shown, volume->identity) == 0))
            owner = other;
    }
    return owner;
}

/* An identity is no secret: whoever stands in for one volume can show another's, and would be sent
 * what is signed for that one. So where requests are signed it is the list that says where a disk
 * is. */
static bool is_stolen(const struct places *r, const struct volume *volume)
{
    const struct volume *owner;

    if (transfers_signer(r->transfers)->version == 0)
        return false;
    owner = owner_of(r, volume);
    if (owner != NULL)
        log_limited(LOG_LEVEL_WARN,
                    "volume %s shows the disk of %s. If the disk has moved there, take %s off the "
                    "list of volumes",
                    volume->name, owner->name, owner->name);
    return owner != NULL;
}

/* The store knows the id by now, or can't be asked: either way the volume is. */
static void named_cb(struct store_reading *reading, int rc, uint32_t id)
{
    struct naming *naming = reading->data;

    (void)rc;
    (void)id;
    volume_ask_again(naming->volume);
    LIST_REMOVE(naming, link);
    free(naming);
}

static bool is_naming(const struct places *r, const struct volume *volume)
{
    const struct naming *naming;

    LIST_FOREACH(naming, &r->namings, link)
    {
        if (naming->volume == volume)
            return true;
    }
    return false;
}

/* 0; UV_EAGAIN when the store has it later; or another negative UV_E*. */
static int get_id(struct places *r, struct volume *volume, const char *name)
{
    struct naming *naming;
    int rc;

    if (is_naming(r, volume))
        return UV_EAGAIN;
    naming = calloc(1, sizeof(*naming));
    if (naming == NULL)
        return UV_ENOMEM;
    naming->volume = volume;
    naming->reading.data = naming;
    strcpy(naming->name, name);
    rc = store_volume_id(r->store, &naming->reading, naming->name, &volume->id, named_cb);
    if (rc == STORE_LATER) {
        LIST_INSERT_HEAD(&r->namings, naming, link);
        return UV_EAGAIN;
    }
    free(naming);
    return rc;
}

/* Gives a volume with this identity its id. */
static int identified_cb(struct volume *volume, void *arg)
{
    struct places *r = arg;
    char name[NAME_MAX_IN_STORE];
    int rc;

    if (is_stolen(r, volume))
        return UV_EEXIST;
    snprintf(name, sizeof(name), "%s%s%s", volume->name, volume->identity[0] != '\0' ? " " : "",
             volume->identity);
    rc = get_id(r, volume, name);
    r->list_mark = 0;
    return rc == 0 ? learn_ids(r) : rc;
}

/* Of the list in its order, of the disks after it, and of what else placement goes by; never 0. */
static uint32_t list_mark(struct places *r)
{
    const struct placement_list *list = &r->list;
    uint32_t sum = crc32c(0, &list->subvolumes, sizeof(list->subvolumes));

    if (r->list_mark != 0)
        return r->list_mark;
    sum = crc32c(sum, &r->copies, sizeof(r->copies));
    for (size_t i = 0; i < list->n; i++) {
        const struct volume *volume = r->listed[i];
        const char *address = volume_name_address(volume->name);

        sum = crc32c(sum, address, strlen(address) + 1);
        sum = crc32c(sum, volume->identity, strlen(volume->identity) + 1);
    }
    if (list->zones != NULL)
        sum = crc32c(sum, list->zones, list->n * sizeof(*list->zones));
    if (list->weights != NULL)
        sum = crc32c(sum, list->weights, list->n * sizeof(*list->weights));
    r->list_mark = sum >> 1 != 0 ? sum >> 1 : 1;
    return r->list_mark;
}

static void add_listed(struct places *r, struct volume *volume)
{
    size_t n = r->list.n++;
    bool is_new = true;

    for (size_t i = 0; i < n; i++)
        is_new = is_new && r->zones[i] != volume->zone_number;
    r->n_zones += is_new;
    r->listed[n] = volume;
    r->names[n] = volume->name;
    r->zones[n] = volume->zone_number;
    r->weights[n] = volume->weight;
}

/* Zones and weights that make no difference are left out, so that the list's mark is the one that
 * it had before there were any. */
static void relist(struct places *r)
{
    struct placement_list *list = &r->list;
    bool weighted = false;

    number_zones(r);
    list->n = 0;
    r->n_zones = 0;
    for (size_t i = 0; i < volumes_count(r->volumes); i++) {
        const struct volume *volume = volumes_at(r->volumes, i);

        if (volume->is_listed && !volume->is_drained)
            add_listed(r, volumes_at(r->volumes, i));
    }
    for (size_t i = 1; i < list->n; i++)
        weighted = weighted || r->weights[i] != r->weights[0];
    list->names = r->names;
    list->zones = r->n_zones > 1 && r->n_zones < list->n ? r->zones : NULL;
    list->weights = weighted ? r->weights : NULL;
    r->list_mark = 0;
}

int places_list(struct places *r, const struct volume_entry *entries, size_t n)
{
    int rc = volumes_set(r->volumes, entries, n);

    if (rc == 0)
        relist(r);
    return rc;
}

void places_drain(struct places *r, struct volume *volume, bool drained)
{
    volume->is_drained = drained;
    relist(r);
}

size_t places_count(const struct places *r)
{
    return r->list.n;
}

static void free_places(struct places *r)
{
    struct naming *naming;

    while ((naming = LIST_FIRST(&r->namings)) != NULL) {
        LIST_REMOVE(naming, link);
        store_cancel(r->store, &naming->reading);
        free(naming);
    }
    free(r->known);
    free(r);
}

static void ignore_cb(void *arg)
{
    (void)arg;
}

int places_new(uv_loop_t *loop, struct store *store, struct transfers *transfers,
               unsigned subvolumes, unsigned copies, struct places **places)
{
    struct places *r = calloc(1, sizeof(*r));
    int rc = UV_ENOMEM;

    if (r == NULL)
        goto err;
    r->store = store;
    r->transfers = transfers;
    r->list.subvolumes = subvolumes;
    r->copies = copies;
    rc = volumes_new(loop, transfers, identified_cb, r, &r->volumes);
    if (rc < 0)
        goto err;
    rc = learn_ids(r);
    if (rc < 0)
        goto err_volumes;
    *places = r;
    return 0;

err_volumes:
    volumes_stop(r->volumes, ignore_cb, NULL);
err:
    if (r != NULL)
        free_places(r);
    log_error("the index cannot take up its volumes: %s", uv_strerror(rc));
    return rc;
}

void places_start(struct places *r, void (*settled)(void *arg), void *arg)
{
    volumes_start(r->volumes, settled, arg);
}

void places_stop(struct places *r, void (*cb)(void *arg), void *arg)
{
    volumes_stop(r->volumes, cb, arg);
    free_places(r);
}

struct volumes *places_volumes(struct places *r)
{
    return r->volumes;
}

size_t places_choose(struct places *r, const struct key *key, struct upload_target *targets,
                     size_t max)
{
    struct placement chosen[PLACES_MAX];
    size_t n = r->list.n < PLACES_MAX ? r->list.n : PLACES_MAX;
    bool has_subvolume = r->list.subvolumes > 1;

    if (n > max)
        n = max;
    if (n > 0)
        placement_choose(key->bytes, key->len, &r->list, n, chosen);
    for (size_t i = 0; i < n; i++) {
        struct volume *volume = r->listed[chosen[i].volume];

        targets[i] = (struct upload_target){
            .volume = volume,
            .place = {.volume = volume->id,
                      .has_subvolume = has_subvolume,
                      .subvolume = has_subvolume ? chosen[i].subvolume : 0},
            .zone = volume->zone_number,
        };
    }
    return n;
}

/* Whether two ids are of one disk, whatever its address; or of one address, and one of them of any
 * disk there. */
static bool may_be_same(const struct places *r, uint32_t a, uint32_t b)
{
    const char *x = store_volume_name(r->store, a);
    const char *y = store_volume_name(r->store, b);
    size_t n;

    if (x == NULL || y == NULL)
        return false;
    n = strcspn(x, " ");
    if (x[n] != '\0' && strchr(y, ' ') != NULL)
        return strcmp(x + n, strchr(y, ' ')) == 0;
    return volume_names_meet(x, n, y, strcspn(y, " "));
}

bool place_equal(const struct places *r, const struct place *a, const struct place *b)
{
    return a->has_subvolume == b->has_subvolume && a->subvolume == b->subvolume &&
           (a->volume == b->volume || may_be_same(r, a->volume, b->volume));
}

bool places_have(const struct places *r, const struct place *list, unsigned n,
                 const struct place *place)
{
    for (unsigned i = 0; i < n; i++) {
        if (place_equal(r, &list[i], place))
            return true;
    }
    return false;
}

/* Whether the target is one of the record's places; one that has never answered, by its address. */
static bool is_place_of(const struct places *r, const struct record *record,
                        const struct upload_target *target)
{
    const struct place *wanted = &target->place;
    size_t len = strlen(target->volume->name);

    if (wanted->volume != UINT32_MAX)
        return places_have(r, record->places, record->n_places, wanted);
    for (unsigned i = 0; i < record->n_places; i++) {
        const struct place *at = &record->places[i];
        const char *name = store_volume_name(r->store, at->volume);

        if (name != NULL &&
            volume_names_meet(name, strcspn(name, " "), target->volume->name, len) &&
            at->has_subvolume == wanted->has_subvolume && at->subvolume == wanted->subvolume)
            return true;
    }
    return false;
}

unsigned places_zones(const struct places *r)
{
    return r->n_zones;
}

bool places_may_share_zone(const struct places *r)
{
    return r->any_shared && r->n_zones > 1 && r->copies > 1;
}

/* The volume at the place's address tells the zone: to look where else the disk may be takes long
 * with many volumes that are down. */
static uint32_t zone_of(const struct places *r, const struct place *place)
{
    const struct volume *volume =
        place->volume < r->n_known ? r->known[place->volume].volume : NULL;

    return volume != NULL ? volume->zone_number : UINT32_MAX;
}

bool places_share_zone(const struct places *r, const struct place *list, unsigned n)
{
    unsigned wanted = n < r->n_zones ? n : r->n_zones;
    unsigned found = 0;

    for (unsigned i = 0; i < n; i++) {
        uint32_t zone = zone_of(r, &list[i]);
        bool is_new = true;

        for (unsigned j = 0; j < i && zone != UINT32_MAX; j++)
            is_new = is_new && zone_of(r, &list[j]) != zone;
        found += is_new;
    }
    return found < wanted;
}

/* --- What a record was placed by ------------------------------------------------------------- */

static bool is_best(struct places *r, const struct key *key, const struct record *record)
{
    struct upload_target wanted[PLACES_MAX];
    size_t n = places_choose(r, key, wanted, r->copies);

    if (n != record->n_places)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!is_place_of(r, record, &wanted[i]))
            return false;
    }
    return true;
}

uint32_t places_mark(struct places *r, bool best)
{
    return list_mark(r) << 1 | best;
}

bool places_are_best(struct places *r, const struct key *key, const struct record *record)
{
    if (record->placed_by != 0 && record->placed_by >> 1 == list_mark(r))
        return record->placed_by & 1;
    return is_best(r, key, record);
}

static bool is_disk(const struct volume *volume, const char *identity)
{
    return volume->identified && strcmp(volume->identity, identity) == 0;
}

static int rank(const struct volume *volume)
{
    return 2 * volume_is_live(volume) + volume->is_listed;
}

/* The disk may be at another address by now. Of several, the one that is up counts, then one that
 * is listed: those where it was are down, and still say that it is there. */
static struct volume *find_disk(struct places *r, const char *identity)
{
    struct volume *found = NULL;

    for (size_t i = 0; i < volumes_count(r->volumes); i++) {
        struct volume *volume = volumes_at(r->volumes, i);

        if (is_disk(volume, identity) && (found == NULL || rank(volume) > rank(found)))
            found = volume;
    }
    return found;
}

/* An id without an identity (of an old index) means whatever disk is at that address now. */
struct volume *place_volume(struct places *r, const struct place *place)
{
    struct known *known;

    if (place->volume >= r->n_known && (learn_ids(r) < 0 || place->volume >= r->n_known))
        return NULL; /* else another index has given the id out since */
    known = &r->known[place->volume];
    if (known->identity[0] == '\0' || (known->volume != NULL && volume_is_live(known->volume) &&
                                       is_disk(known->volume, known->identity)))
        return known->volume;
    return find_disk(r, known->identity);
}

struct volume *place_live(struct places *r, const struct place *place)
{
    struct volume *volume = place_volume(r, place);

    return volume != NULL && volume_is_live(volume) ? volume : NULL;
}

bool place_is_of(struct places *r, const struct place *place, const struct volume *volume)
{
    const struct volume *there = place_volume(r, place);

    if (there == NULL && place->volume < r->n_known)
        there = r->known[place->volume].volume;
    return there == volume;
}

bool place_text(struct places *r, const struct place *place, char text[PLACE_TEXT_MAX])
{
    const struct volume *volume = place_volume(r, place);
    const char *name = volume != NULL ? volume->name : store_volume_name(r->store, place->volume);
    size_t n;

    if (name == NULL) {
        log_limited(LOG_LEVEL_ERROR, "the index names a volume %u that it doesn't know",
                    place->volume);
        return false;
    }
    n = strcspn(name, " ");
    if (place->has_subvolume)
        snprintf(text, PLACE_TEXT_MAX, "%.*s/sv%02X", (int)n, name, place->subvolume & 0xff);
    else
        snprintf(text, PLACE_TEXT_MAX, "%.*s", (int)n, name);
    return true;
}
