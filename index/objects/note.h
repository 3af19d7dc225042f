/* What a blob's file says of itself, in its extended attribute user.mkv, beside its name and its
 * bytes: lines of a name, '=' and a value.
 *
 *     size=5
 *     md5=6b1b36cbb04b41490bfc0ab2bfa26f86
 *
 * So an index can be made anew out of nothing but the volumes, a file that was cut short is known
 * for one, and a person can read it: getfattr -d FILE. Lines of other names are for later versions,
 * and left alone. */
#ifndef MKV_OBJECTS_NOTE_H
#define MKV_OBJECTS_NOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/base/md5.h"
#include "index/store/record.h"

#define NOTE_MAX 128 /* bytes that are written */

struct note {
    bool has_size;
    uint64_t size;
    bool has_md5;
    unsigned char md5[MD5_SIZE];
};

/* Writes a note, and returns its length. */
size_t note_format(const struct note *note, char out[NOTE_MAX]);

/* The same of a record's blob. */
size_t note_of_record(const struct record *record, char out[NOTE_MAX]);

/* Reads what is there; what can't be read is as if it weren't there. */
void note_parse(const char *bytes, size_t n, struct note *note);

#endif
