/* Walks through a volume's directory and lists its blobs, in the order of the bytes of their paths,
 * in bounded memory. Follows no link. What comes and goes meanwhile may be listed or not; what
 * stood still is, once. It blocks, and is for worker threads, one at a time. */
#ifndef MKV_LAUNCHER_LIST_WALK_H
#define MKV_LAUNCHER_LIST_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "launcher/volume/pieces.h"

/* Bytes that a walk takes for names: so many at first, and LIST_NAMES_LEAST for each directory that
 * it is in, however many names there are. */
#define LIST_WALK_MEMORY (8UL << 20)

struct list_walk;

/* `directory` is borrowed. Lists the first `limit` blobs, over 0, whose paths are greater than the
 * `len` bytes of `after`, which need not be one's path. Of `memory` see above; never less than
 * LIST_NAMES_LEAST is taken. Without `attributes` no file has one. NULL when out of memory. */
struct list_walk *list_walk_new(int directory, const char *after, size_t len, uint64_t limit,
                                bool attributes, size_t memory);

void list_walk_free(void *walk);

/* The next piece, as list.h has it: `walk` is a pieces_source. */
void list_walk_make(void *walk, struct piece *piece, uint64_t until);

#endif
