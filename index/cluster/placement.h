/* Where a key lives: pure functions from a key to its path and to its volumes. Both are
 * minikeyvalue's own (lib.go: key2path, key2volume), so that its volumes can be adopted as they
 * are. */
#ifndef MKV_CLUSTER_PLACEMENT_H
#define MKV_CLUSTER_PLACEMENT_H

#include <stddef.h>
#include <stdint.h>

#define KEY_MAX 1025 /* bytes of a key: its leading slash and 1,024 more */

/* "/HH/HH/", then at most two bytes for each of the longest key's base64, cuts included, and NUL.
 */
#define PLACEMENT_PATH_MAX (7 + (KEY_MAX + 2) / 3 * 4 * 2 + 1)

/* The longest directory entry: file systems stop at 255 bytes; one is for the dot that marks a cut.
 */
#define PLACEMENT_COMPONENT_MAX 254

#define PLACEMENT_CHOOSE_MAX 16 /* the most volumes a key can have */

/* One of a key's volumes. */
struct placement {
    uint32_t volume;    /* index into the names given */
    uint32_t subvolume; /* below the number of subvolumes */
};

/* Comes before all else. 0; or after one log line -ENOMEM, or -ENOTSUP where libcrypto has no MD5.
 */
int placement_init(void);

/* Writes the key's path at a volume, "/HH/HH/NAME", with a NUL, and returns its length. HH are the
 * first two bytes of md5(key) in lower hex, NAME the padded base64 of the key. A '/' of the base64
 * makes NAME several components, and two kinds of them need care, both by characters that base64
 * doesn't have, so that a path tells its key:
 * - one over 254 bytes is cut into pieces of 254 and an extra '.', and a last piece of what is
 * left;
 * - n empty ones in a row ("//" has one, and so has a '/' at either end) become one "-n", since a
 *   file system and nginx would drop them, and two keys could meet in one file. */
size_t placement_path(const void *key, size_t key_len, char path[PLACEMENT_PATH_MAX]);

/* The `count` best of `n` volumes for the key, best first, in out[]; count <= n. Rendezvous hashing
 * by md5(key, volume name): stable in the names, and a new volume takes over only its share.
 * The subvolume is the last four bytes of the score, big-endian, modulo `subvolumes`. */
void placement_choose(const void *key, size_t key_len, const char *const *volumes, size_t n,
                      unsigned subvolumes, size_t count, struct placement *out);

#endif
