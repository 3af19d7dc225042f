/* The parts that an object was made of: how many there can be, and their sizes as its metadata has
 * them. "8388608*99,5242880" are 99 parts of 8 MiB and one of 5; "?*100" are 100 of sizes that
 * there was no room for. */
#ifndef MKV_S3_PARTS_H
#define MKV_S3_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include "index/s3/range.h"

#define PART_NUMBER_MAX 10000 /* Amazon S3 User Guide, "Multipart upload limits" */

#define PARTS_TEXT_MIN 12 /* room in which at least their number fits */

/* Writes the sizes of `n` parts, 1 at least, into `text`, which has room for `room` bytes,
 * PARTS_TEXT_MIN at least; or only their number, if they don't fit. No NUL. Returns the length. */
size_t parts_format(const uint64_t *sizes, unsigned n, char *text, size_t room);

/* How many there are: positive, or -EINVAL unless parts_format() can have written the text. */
int parts_count(const char *text, size_t len);

/* Where part `number`, from 1 on, is in the object. 0 and *range; -ENOENT if there is no such part;
 * -ENODATA if the sizes are unknown; -EINVAL as above. *range is untouched on failure. */
int parts_find(const char *text, size_t len, unsigned number, struct range *range);

#endif
