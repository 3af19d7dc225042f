/* Where a blob lives: pure functions from a key to the path of its blob and to its volumes. Both
 * are minikeyvalue's own (lib.go: key2path, key2volume), so that its volumes can be adopted as they
 * are, but for the generation at a path's end, and for zones and weights, which it doesn't have. */
#ifndef MKV_CLUSTER_PLACEMENT_H
#define MKV_CLUSTER_PLACEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/base/key.h"
#include "index/base/place.h"
#include "index/base/volume_name.h"

/* "/HH/HH/", then at most two bytes for each of the longest key's base64, cuts included, ".", the
 * generation, and NUL. */
#define PLACEMENT_PATH_MAX (7 + (KEY_MAX + 2) / 3 * 4 * 2 + PLACEMENT_GENERATION + 1)

#define PLACEMENT_GENERATION 17 /* bytes of ".GGGGGGGGGGGGGGGG" */

/* The same with "/svXX" before it; and with "https://host:port" before that. */
#define PLACEMENT_FULL_PATH_MAX (5 + PLACEMENT_PATH_MAX)
#define PLACEMENT_URL_MAX       (VOLUME_NAME_SIZE + PLACEMENT_FULL_PATH_MAX)

/* The longest directory entry: file systems stop at 255 bytes; one is for the dot that marks a cut.
 */
#define PLACEMENT_COMPONENT_MAX 254

/* One of a key's volumes. */
struct placement {
    uint32_t volume;    /* index into the names given */
    uint32_t subvolume; /* below the number of subvolumes */
};

/* Writes the path of a key's blob at a volume, "/HH/HH/NAME.GENERATION", with a NUL, and returns
 * its length. HH are the first two bytes of md5(key) in lower hex, NAME the padded base64 of the
 * key, GENERATION 16 lower hex digits; generation 0 is the originals', of which the path has
 * nothing. A
 * '/' of the base64 makes NAME several components, and two kinds of them need care, both by
 * characters that base64 doesn't have, so that a path tells its key:
 * - one that would be over 255 bytes long, with the generation if it is the last, is cut into
 *   pieces of 254 bytes and an extra '.', and a last piece of what is left, of a byte at least;
 * - n empty ones in a row ("//" has one, and so has a '/' at either end) become one "-n", since a
 *   file system and nginx would drop them, and two keys could meet in one file.
 * With the generation no file has a name that a directory could have. */
size_t placement_path(const void *key, size_t key_len, uint64_t generation,
                      char path[PLACEMENT_PATH_MAX]);

/* Writes a blob's path as the volume has it: with the subvolume, if the place has one. */
void placement_full_path(const struct place *place, const char *path,
                         char full[PLACEMENT_FULL_PATH_MAX]);

/* Writes the URL of a path at the volume of that name, which is asked by HTTP unless it begins with
 * "https://"; `place` NULL: a path of the volume itself. */
void placement_url(const char *volume, const struct place *place, const char *path,
                   char url[PLACEMENT_URL_MAX]);

/* What a blob's path at a volume says. */
struct placement_name {
    struct key key;
    uint64_t generation; /* 0: none, the originals' form */
    bool has_subvolume;
    uint32_t subvolume;
};

/* Reads the `len` bytes of a path, as placement_full_path() writes it. False when it is no blob's:
 * whatever it is, placement_path() would never have made it. *name is undefined then. */
bool placement_parse(const char *path, size_t len, struct placement_name *name);

/* The volumes that keys are placed on. */
struct placement_list {
    const char *const *names;
    const uint32_t *zones;   /* each volume's, any number below VOLUMES_MAX; NULL: no two share one,
                                or all do */
    const unsigned *weights; /* each volume's, at least 1; NULL: all are the same */
    size_t n;                /* VOLUMES_MAX at most */
    unsigned subvolumes;     /* of each volume; at least 1 */
};

/* The `count` best volumes for the key, best first, in out[]; count <= list->n and PLACES_MAX.
 *
 * Rendezvous hashing by md5(key, volume name, without "https://"): stable in the names, and a new
 * volume takes over only its share. With weights a volume's score is -weight / ln(u), where u,
 * between 0 and 1, is the md5's first 52 bits; so each has its weight's share of the keys, and when
 * a weight changes, keys move to or from that volume only. Equal weights give the order of the
 * md5s.
 *
 * With zones the best volume of each zone comes first, by score, then the second best of each zone,
 * and so on: any first R of them are in as many zones as there are, and evenly so.
 *
 * The subvolume is the last four bytes of the md5, big-endian, modulo `subvolumes`.
 *
 * For `key` stand the bytes that key_to_place() gives. */
void placement_choose(const void *key, size_t key_len, const struct placement_list *list,
                      size_t count, struct placement *out);

#endif
