/* What a blob's file says of itself, in its extended attribute user.mkv, beside its name and its
 * bytes: lines of a name, '=' and a value.
 *
 *     size=5
 *     md5=6b1b36cbb04b41490bfc0ab2bfa26f86
 *     type=text/plain
 *
 * So an index can be made anew out of nothing but the volumes, a file that was cut short is known
 * for one, and a person can read it: getfattr -d FILE. All lines but the first two are the record's
 * metadata, which means nothing here. */
#ifndef MKV_OBJECTS_NOTE_H
#define MKV_OBJECTS_NOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/base/md5.h"
#include "index/store/record.h"

#define NOTE_MAX (128 + RECORD_META_MAX) /* bytes that are written */

struct note {
    bool has_size;
    uint64_t size;
    bool has_md5;
    unsigned char md5[MD5_SIZE];
    const char *meta; /* borrowed; note_meta_is_valid() */
    size_t meta_len;  /* 0: none */
};

/* Writes a note, and returns its length. */
size_t note_format(const struct note *note, char out[NOTE_MAX]);

/* The same of a record's blob. */
size_t note_of_record(const struct record *record, char out[NOTE_MAX]);

/* Reads what is there; what can't be read is as if it weren't there. Metadata is the first lines
 * that can be, one after the other, as many as a record has room for. note->meta points into
 * `bytes`. */
void note_parse(const char *bytes, size_t n, struct note *note);

/* Whether the bytes can be a record's metadata: lines "NAME=VALUE", each with its end; of a name as
 * HTTP's fields have (RFC 9110, section 5.6.2) in lower case, neither "size" nor "md5", and a value
 * without control characters but TAB; RECORD_META_MAX bytes at most. No bytes are fine, too. */
bool note_meta_is_valid(const char *bytes, size_t n);

#endif
