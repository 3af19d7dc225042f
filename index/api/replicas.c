#include "index/api/replicas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/log.h"
#include "index/cluster/placement.h"

#define NAME_MAX_IN_STORE (VOLUME_ADDRESS_MAX + 1 + TRANSFER_VOLUME_ID_MAX)

/* What an id of the store stands for; its name there is the address and, if it has one, behind a
 * space the identity. */
struct known {
    struct volume *volume; /* at that address */
    char identity[TRANSFER_VOLUME_ID_MAX + 1];
};

struct replicas {
    struct store *store;
    struct volumes *volumes;
    unsigned subvolumes;
    struct known *known; /* by id */
    uint32_t n_known;
    /* Those that are listed, for placement. */
    const char *names[VOLUMES_MAX];
    struct volume *listed[VOLUMES_MAX];
    size_t n_listed;
};

/* Makes `known` reach to all ids that the store has. */
static int learn_ids(struct replicas *r)
{
    const char *name;

    while ((name = store_volume_name(r->store, r->n_known)) != NULL) {
        struct known *known = realloc(r->known, (r->n_known + 1) * sizeof(*known));
        size_t len = strcspn(name, " ");

        if (known == NULL)
            return UV_ENOMEM;
        r->known = known;
        known += r->n_known;
        known->volume = volumes_find(r->volumes, name, len);
        snprintf(known->identity, sizeof(known->identity), "%s",
                 name[len] != '\0' ? name + len + 1 : "");
        r->n_known++;
    }
    return 0;
}

/* Gives a volume with this identity its id. */
static int identified_cb(struct volume *volume, void *arg)
{
    struct replicas *r = arg;
    char name[NAME_MAX_IN_STORE];
    int rc;

    snprintf(name, sizeof(name), "%s%s%s", volume->name, volume->identity[0] != '\0' ? " " : "",
             volume->identity);
    rc = store_volume_id(r->store, name, &volume->id);
    return rc == 0 ? learn_ids(r) : rc;
}

static void relist(struct replicas *r)
{
    r->n_listed = 0;
    for (size_t i = 0; i < volumes_count(r->volumes); i++) {
        struct volume *volume = volumes_at(r->volumes, i);

        if (!volume->is_listed)
            continue;
        r->names[r->n_listed] = volume->name;
        r->listed[r->n_listed++] = volume;
    }
}

int replicas_list(struct replicas *r, const char *const *names, size_t n)
{
    int rc = volumes_set(r->volumes, names, n);

    if (rc == 0)
        relist(r);
    return rc;
}

/* Volumes that are not listed any more may still hold something. */
static int add_known(struct replicas *r)
{
    const char *stored;

    for (uint32_t id = 0; (stored = store_volume_name(r->store, id)) != NULL; id++) {
        char name[VOLUME_ADDRESS_MAX];
        const char *names[] = {name};
        int rc;

        snprintf(name, sizeof(name), "%.*s", (int)strcspn(stored, " "), stored);
        rc = volumes_set(r->volumes, names, 1);
        if (rc == UV_E2BIG) {
            log_warn("more than %d volumes are known: those from %s on are forgotten", VOLUMES_MAX,
                     name);
            break;
        }
        if (rc < 0)
            return rc;
    }
    return volumes_set(r->volumes, NULL, 0);
}

static void free_replicas(struct replicas *r)
{
    free(r->known);
    free(r);
}

static void ignore_cb(void *arg)
{
    (void)arg;
}

int replicas_new(uv_loop_t *loop, struct store *store, struct transfers *transfers,
                 unsigned subvolumes, struct replicas **replicas)
{
    struct replicas *r = calloc(1, sizeof(*r));
    int rc = UV_ENOMEM;

    if (r == NULL)
        goto err;
    r->store = store;
    r->subvolumes = subvolumes;
    rc = volumes_new(loop, transfers, identified_cb, r, &r->volumes);
    if (rc < 0)
        goto err;
    rc = add_known(r);
    if (rc == 0)
        rc = learn_ids(r);
    if (rc < 0)
        goto err_volumes;
    *replicas = r;
    return 0;

err_volumes:
    volumes_stop(r->volumes, ignore_cb, NULL);
err:
    if (r != NULL)
        free_replicas(r);
    log_error("the index cannot take up its volumes: %s", uv_strerror(rc));
    return rc;
}

void replicas_start(struct replicas *r, void (*settled)(void *arg), void *arg)
{
    volumes_start(r->volumes, settled, arg);
}

void replicas_stop(struct replicas *r, void (*cb)(void *arg), void *arg)
{
    volumes_stop(r->volumes, cb, arg);
    free_replicas(r);
}

struct volumes *replicas_volumes(struct replicas *r)
{
    return r->volumes;
}

size_t replicas_place(struct replicas *r, const struct key *key, struct upload_target *targets,
                      size_t max)
{
    struct placement chosen[PLACEMENT_CHOOSE_MAX];
    size_t n = r->n_listed < PLACEMENT_CHOOSE_MAX ? r->n_listed : PLACEMENT_CHOOSE_MAX;

    if (n > max)
        n = max;
    placement_choose(key->bytes, key->len, r->names, r->n_listed, r->subvolumes, n, chosen);
    for (size_t i = 0; i < n; i++) {
        targets[i] = (struct upload_target){
            .volume = r->listed[chosen[i].volume],
            .id = r->listed[chosen[i].volume]->id,
            .has_subvolume = r->subvolumes > 1,
            .subvolume = r->subvolumes > 1 ? chosen[i].subvolume : 0,
        };
    }
    return n;
}

struct replica replica_of(const struct upload_target *target)
{
    return (struct replica){
        .volume = target->id,
        .has_subvolume = target->has_subvolume,
        .subvolume = target->subvolume,
    };
}

/* Whether two ids are of one disk, whatever its address; or of one address, and one of them of any
 * disk there. */
static bool may_be_same(const struct replicas *r, uint32_t a, uint32_t b)
{
    const char *x = store_volume_name(r->store, a);
    const char *y = store_volume_name(r->store, b);
    size_t n;

    if (x == NULL || y == NULL)
        return false;
    n = strcspn(x, " ");
    if (x[n] != '\0' && strchr(y, ' ') != NULL)
        return strcmp(x + n, strchr(y, ' ')) == 0;
    return n == strcspn(y, " ") && strncasecmp(x, y, n) == 0;
}

bool replica_equal(const struct replicas *r, const struct replica *a, const struct replica *b)
{
    return a->has_subvolume == b->has_subvolume && a->subvolume == b->subvolume &&
           (a->volume == b->volume || may_be_same(r, a->volume, b->volume));
}

bool record_has_replica(const struct replicas *r, const struct record *record,
                        const struct replica *replica)
{
    for (unsigned i = 0; i < record->n_replicas; i++) {
        if (replica_equal(r, &record->replicas[i], replica))
            return true;
    }
    return false;
}

bool record_has_target(const struct replicas *r, const struct record *record,
                       const struct upload_target *target)
{
    struct replica replica = replica_of(target);
    size_t len = strlen(target->volume->name);

    if (target->id != UINT32_MAX)
        return record_has_replica(r, record, &replica);
    for (unsigned i = 0; i < record->n_replicas; i++) { /* it hasn't answered yet */
        const struct replica *at = &record->replicas[i];
        const char *name = store_volume_name(r->store, at->volume);

        if (name != NULL && strcspn(name, " ") == len &&
            strncasecmp(name, target->volume->name, len) == 0 &&
            at->has_subvolume == target->has_subvolume && at->subvolume == target->subvolume)
            return true;
    }
    return false;
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
static struct volume *find_disk(struct replicas *r, const char *identity)
{
    struct volume *found = NULL;

    for (size_t i = 0; i < volumes_count(r->volumes); i++) {
        struct volume *volume = volumes_at(r->volumes, i);

        if (is_disk(volume, identity) && (found == NULL || rank(volume) > rank(found)))
            found = volume;
    }
    return found;
}

/* An index made before identities were kept has volumes without one: any is right, and so is
 * replica_equal() about them. */
struct volume *replica_volume(struct replicas *r, const struct replica *replica)
{
    struct known *known;

    if (replica->volume >= r->n_known)
        return NULL;
    known = &r->known[replica->volume];
    if (known->volume == NULL) {
        const char *name = store_volume_name(r->store, replica->volume);

        known->volume = volumes_find(r->volumes, name, strcspn(name, " "));
    }
    if (known->identity[0] == '\0' || (known->volume != NULL && volume_is_live(known->volume) &&
                                       is_disk(known->volume, known->identity)))
        return known->volume;
    return find_disk(r, known->identity);
}

struct volume *replica_live(struct replicas *r, const struct replica *replica)
{
    struct volume *volume = replica_volume(r, replica);

    return volume != NULL && volume_is_live(volume) ? volume : NULL;
}

bool replica_text(struct replicas *r, const struct replica *replica, char text[REPLICA_TEXT_MAX])
{
    const struct volume *volume = replica_volume(r, replica);
    const char *name = volume != NULL ? volume->name : store_volume_name(r->store, replica->volume);
    size_t n;

    if (name == NULL) {
        log_error("the index names a volume %u that it doesn't know", replica->volume);
        return false;
    }
    n = strcspn(name, " ");
    if (replica->has_subvolume)
        snprintf(text, REPLICA_TEXT_MAX, "%.*s/sv%02X", (int)n, name, replica->subvolume & 0xff);
    else
        snprintf(text, REPLICA_TEXT_MAX, "%.*s", (int)n, name);
    return true;
}

bool replica_url(struct replicas *r, const struct replica *replica, const struct key *key,
                 char url[REPLICA_URL_MAX])
{
    char text[REPLICA_TEXT_MAX];
    char path[PLACEMENT_PATH_MAX];

    if (!replica_text(r, replica, text))
        return false;
    placement_path(key->bytes, key->len, path);
    return snprintf(url, REPLICA_URL_MAX, "http://%s%s", text, path) < REPLICA_URL_MAX;
}
