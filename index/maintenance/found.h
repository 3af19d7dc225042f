/* A file that was found on a volume, as bytes that sort: those of a key come together, the newest
 * generation first, and of one generation in the order of their places. */
#ifndef MKV_MAINTENANCE_FOUND_H
#define MKV_MAINTENANCE_FOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/base/key.h"
#include "index/base/place.h"
#include "index/objects/note.h"

/* Key, NUL, generation, place, size, time, flags, the note's size and MD5. */
#define FOUND_MAX (KEY_MAX + 1 + 8 + 4 + 2 + 8 + 8 + 1 + 8 + MD5_SIZE)

struct found {
    struct key key;
    uint64_t generation;
    struct place place; /* its volume is the caller's number */
    uint64_t size;      /* of the file */
    uint64_t time;      /* its mtime, ms since 1970 */
    struct note note;
};

/* Writes it, and returns its length. The key has no NUL. */
size_t found_encode(const struct found *found, unsigned char out[FOUND_MAX]);

/* Reads what found_encode() wrote. False when it didn't write that. */
bool found_decode(const unsigned char *bytes, size_t n, struct found *found);

#endif
