#include "index/cluster/placement.h"

#include <assert.h>
#include <endian.h>
#include <limits.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "index/base/hex.h"
#include "index/base/md5.h"

#define COMPONENT_MAX 255 /* bytes; file systems stop there */
#define HASHES        64  /* that are computed at once */

static_assert(PLACEMENT_FULL_PATH_MAX + 1000 < PATH_MAX, "a volume's directory has a path, too");
static_assert(ADDRESS_TEXT_MAX <= MD5_SUFFIX_MAX, "a volume's name is hashed behind a key");

/* Copies one component of a name, cut where it is too long with `more` bytes after it, and returns
 * the bytes written. */
static size_t copy_component(const char *component, size_t len, size_t more, char *out)
{
    size_t n = 0;

    while (len + more > COMPONENT_MAX || len > PLACEMENT_COMPONENT_MAX) {
        size_t piece = len > PLACEMENT_COMPONENT_MAX ? PLACEMENT_COMPONENT_MAX : len - 1;

        memcpy(out + n, component, piece);
        n += piece;
        out[n++] = '.';
        out[n++] = '/';
        component += piece;
        len -= piece;
    }
    memcpy(out + n, component, len);
    return n + len;
}

/* Copies a name component by component, the last one with room for `more` bytes after it, and
 * returns the bytes written. */
static size_t copy_name(const char *name, size_t more, char *out)
{
    unsigned empty = 0;
    size_t n = 0;

    for (;;) {
        size_t len = strcspn(name, "/");

        empty += len == 0;
        if (empty > 0 && (len > 0 || name[len] == '\0')) {
            n += (size_t)sprintf(out + n, "-%u%s", empty, len > 0 ? "/" : "");
            empty = 0;
        }
        n += copy_component(name, len, name[len] == '\0' ? more : 0, out + n);
        if (name[len] == '\0')
            break;
        if (len > 0)
            out[n++] = '/';
        name += len + 1;
    }
    out[n] = '\0';
    return n;
}

static size_t write_hash(const unsigned char hash[MD5_SIZE], char *out)
{
    out[0] = '/';
    hex_write(hash, 1, out + 1); /* with a NUL, over which the next one goes */
    out[3] = '/';
    hex_write(hash + 1, 1, out + 4);
    out[6] = '/';
    return 7;
}

static size_t write_generation(uint64_t generation, char *out)
{
    uint64_t ordered = htobe64(generation);

    *out = '.';
    hex_write((const unsigned char *)&ordered, sizeof(ordered), out + 1);
    return PLACEMENT_GENERATION;
}

size_t placement_path(const void *key, size_t key_len, uint64_t generation,
                      char path[PLACEMENT_PATH_MAX])
{
    unsigned char base64[(KEY_MAX + 2) / 3 * 4 + 1];
    unsigned char hash[MD5_SIZE];
    size_t n;

    assert(key_len <= KEY_MAX);
    md5_of(key, key_len, hash);
    EVP_EncodeBlock(base64, key, (int)key_len);
    n = write_hash(hash, path);
    n += copy_name((const char *)base64, generation > 0 ? PLACEMENT_GENERATION : 0, path + n);
    if (generation > 0)
        n += write_generation(generation, path + n);
    assert(n < PLACEMENT_PATH_MAX);
    return n;
}

void placement_full_path(const struct place *place, const char *path,
                         char full[PLACEMENT_FULL_PATH_MAX])
{
    if (place->has_subvolume)
        snprintf(full, PLACEMENT_FULL_PATH_MAX, "/sv%02X%s", place->subvolume & 0xff, path);
    else
        snprintf(full, PLACEMENT_FULL_PATH_MAX, "%s", path);
}

void placement_url(const char *volume, const struct place *place, const char *path,
                   char url[PLACEMENT_URL_MAX])
{
    char full[PLACEMENT_FULL_PATH_MAX];

    if (place != NULL)
        placement_full_path(place, path, full);
    snprintf(url, PLACEMENT_URL_MAX, "%s%s%s", volume_name_scheme(volume), volume,
             place != NULL ? full : path);
}

/* --- Volumes --------------------------------------------------------------------------------- */

struct score {
    double bent;   /* by the weight; 0 where all weigh the same */
    uint64_t high; /* the md5's first eight bytes, big-endian, and its last */
    uint64_t low;
};

/* A volume that may be among the best. */
struct contender {
    uint32_t volume;
    uint32_t zone;
    uint32_t turn; /* how many of its zone's are better */
    struct score score;
};

/* The best of those that were looked at so far, best first. What is left out once stays out: each
 * volume that comes makes others of its zone come later, and none earlier. */
struct contest {
    struct contender held[PLACES_MAX + 1]; /* the last one is about to be left out */
    size_t n;
    size_t max;
    bool zones;
    uint8_t worst[VOLUMES_MAX]; /* by zone: the position of its last one, from 1 on, or 0 */
};

static_assert(PLACES_MAX < UINT8_MAX, "a position is a byte");

static uint64_t big_endian(const unsigned char bytes[8])
{
    uint64_t value;

    memcpy(&value, bytes, sizeof(value));
    return be64toh(value);
}

static struct score score_of(const unsigned char hash[MD5_SIZE], const unsigned *weight)
{
    struct score score = {.high = big_endian(hash), .low = big_endian(hash + 8)};

    if (weight != NULL)
        score.bent = -(double)*weight / log(((double)(score.high >> 12) + 0.5) * 0x1p-52);
    return score;
}

static bool is_better(const struct score *a, const struct score *b)
{
    if (a->bent != b->bent)
        return a->bent > b->bent;
    return a->high != b->high ? a->high > b->high : a->low > b->low;
}

static bool is_ahead(const struct contender *a, const struct contender *b)
{
    return a->turn != b->turn ? a->turn < b->turn : is_better(&a->score, &b->score);
}

/* Sets the new one's turn, if it is worse than all of its zone that are held, and says whether it
 * is. */
static bool is_last_of_zone(const struct contest *c, struct contender *new)
{
    const struct contender *worst;

    if (!c->zones || c->worst[new->zone] == 0)
        return true;
    worst = &c->held[c->worst[new->zone] - 1];
    new->turn = worst->turn + 1;
    return !is_better(&new->score, &worst->score);
}

/* The new one is better than some of its zone, which all have a later turn then. */
static void give_turns(struct contest *c, struct contender *new)
{
    new->turn = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (c->held[i].zone != new->zone)
            continue;
        if (is_better(&new->score, &c->held[i].score))
            c->held[i].turn++;
        else
            new->turn++;
    }
}

/* Brings the contender at `i` to its place among those before it, which are in order. Equal ones
 * keep the order of the names. */
static void sort_in(struct contest *c, size_t i)
{
    struct contender moved = c->held[i];

    for (; i > 0 && is_ahead(&moved, &c->held[i - 1]); i--)
        c->held[i] = c->held[i - 1];
    c->held[i] = moved;
}

static void note_worst(struct contest *c, const struct contender *dropped)
{
    if (dropped != NULL)
        c->worst[dropped->zone] = 0;
    for (size_t i = 0; i < c->n; i++)
        c->worst[c->held[i].zone] = (uint8_t)(i + 1);
}

static void take(struct contest *c, struct contender *new)
{
    bool last_of_zone = is_last_of_zone(c, new);
    bool full = c->n == c->max;

    if (last_of_zone && full && !is_ahead(new, &c->held[c->n - 1]))
        return;
    if (!last_of_zone)
        give_turns(c, new);
    c->held[c->n] = *new;
    for (size_t i = last_of_zone ? c->n : 1; i <= c->n; i++)
        sort_in(c, i);
    c->n += !full;
    if (c->zones)
        note_worst(c, full ? &c->held[c->n] : NULL);
}

/* The hashes of the key that was added with each of `n` names. */
static void hash_each(const struct md5 *key, const char *const *names, size_t n,
                      unsigned char hashes[HASHES][MD5_SIZE])
{
    const char *addresses[HASHES];

    for (size_t i = 0; i < n; i++)
        addresses[i] = volume_name_address(names[i]);
    md5_finish_each(key, addresses, n, hashes);
}

void placement_choose(const void *key, size_t key_len, const struct placement_list *list,
                      size_t count, struct placement *out)
{
    unsigned char hashes[HASHES][MD5_SIZE];
    struct contest contest;
    struct md5 md5;

    assert(count <= list->n && count <= PLACES_MAX && count > 0 && list->n <= VOLUMES_MAX);
    assert(list->subvolumes > 0);
    key = key_to_place(key, key_len, &key_len);
    contest.n = 0;
    contest.max = count;
    contest.zones = list->zones != NULL;
    if (contest.zones)
        memset(contest.worst, 0, sizeof(contest.worst));
    md5_begin(&md5);
    md5_add(&md5, key, key_len);
    for (size_t i = 0; i < list->n; i++) {
        struct contender new = {.volume = (uint32_t)i};

        if (i % HASHES == 0)
            hash_each(&md5, list->names + i, list->n - i < HASHES ? list->n - i : HASHES, hashes);
        new.score = score_of(hashes[i % HASHES], list->weights != NULL ? list->weights + i : NULL);
        if (list->zones != NULL)
            new.zone = list->zones[i];
        take(&contest, &new);
    }
    for (size_t i = 0; i < count; i++)
        out[i] = (struct placement){
            .volume = contest.held[i].volume,
            .subvolume = (uint32_t)contest.held[i].score.low % list->subvolumes,
        };
}
