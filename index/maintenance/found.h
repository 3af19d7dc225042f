/* A file that was found on a volume, or what a backup of the index knows of a blob, as bytes that
 * sort: those of a key come together, the newest generation first; of one generation, what a backup
 * knows comes first, and then files in the order of their places. */
#ifndef MKV_MAINTENANCE_FOUND_H
#define MKV_MAINTENANCE_FOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/base/key.h"
#include "index/base/place.h"
#include "index/objects/note.h"

enum found_kind {
    FOUND_RECORD, /* by a backup, it was the key's value */
    FOUND_ORPHAN, /* by a backup, it was to be removed */
    FOUND_FILE
};

/* Key, NUL, generation, kind, place, size, time, flags, the note's size, MD5 and metadata. */
#define FOUND_MAX (KEY_MAX + 1 + 8 + 1 + 4 + 2 + 8 + 8 + 1 + 8 + MD5_SIZE + RECORD_META_MAX)

struct found {
    struct key key;
    uint64_t generation;
    enum found_kind kind; /* an orphan has none of the following */
    struct place place;   /* of a file; its volume is the caller's number */
    uint64_t size;        /* of the file, or of the value */
    uint64_t time;        /* the file's mtime, or the record's time: ms since 1970 */
    struct note note;     /* the file's, or the record's MD5 and metadata; as borrowed */
    bool is_unlinked;     /* of a record */
};

struct collected;

/* Makes a file that was listed one of these, but for its note; its place's volume is the caller's
 * to set. False when no request can name its key: without a slash, or with a NUL. */
bool found_of_file(const struct collected *file, struct found *found);

/* Writes it, and returns its length. The key has no NUL. */
size_t found_encode(const struct found *found, unsigned char out[FOUND_MAX]);

/* Reads what found_encode() wrote, from which the note borrows. False when it didn't write that. */
bool found_decode(const unsigned char *bytes, size_t n, struct found *found);

#endif
