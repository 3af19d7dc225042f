/* What a power cut leaves of a directory whose calls disk_log.h recorded.
 *
 * All that was synced is there. What wasn't, may be:
 * - of each write, by sectors of 512 bytes, any subset, one of them cut at any byte: what is left
 * of two writes to one place is thus any of both, or what was there before;
 * - of each file, its size as any of its unsynced writes and cuts left it, the later ones in order:
 *   where data of it is missing there are zeroes, or bytes that were in some file before;
 * - of the names in the directory, the changes up to any of them in order, or any subset. */
#ifndef MKV_TESTS_SUPPORT_DISK_IMAGE_H
#define MKV_TESTS_SUPPORT_DISK_IMAGE_H

#include <stdbool.h>

#include "tests/support/disk_log.h"
#include "tests/support/rng.h"

struct disk_cut {
    size_t at;           /* ops of the log before the cut */
    bool keep_all;       /* nothing is lost: the rest doesn't matter */
    bool any_names;      /* a subset of the changes of names, else the first ones */
    bool stale;          /* old bytes where data is missing, else zeroes */
    unsigned keep;       /* percent of writes and sectors that are kept */
    unsigned keep_names; /* percent of changes of names, when any may be */
    unsigned tear;       /* percent of writes that are torn within, else kept or dropped whole */
    uint64_t seed;       /* of all chances */
};

/* Chooses where to cut, from `from` on: anywhere, or behind something other than a write, or a
 * change of names: there are few of those, and they matter more. */
size_t disk_cut_choose(struct rng *rng, size_t from);

/* Chooses a cut behind the log's base by chance. */
struct disk_cut disk_cut_random(struct rng *rng);

/* Makes a new directory, or none if the directory's own name was lost. */
void disk_image_write(const struct disk_cut *cut, const char *directory);

/* Ends the program with a line on stderr unless the directory is the same. */
void disk_image_compare(const struct disk_cut *cut, const char *directory);

/* One line to a user who is to understand a failure. */
void disk_cut_describe(const struct disk_cut *cut, char *text, size_t size);

#endif
