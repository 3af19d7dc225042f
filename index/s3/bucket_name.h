/* Names of buckets: Amazon S3 User Guide, "General purpose bucket naming rules". */
#ifndef MKV_S3_BUCKET_NAME_H
#define MKV_S3_BUCKET_NAME_H

#include <stdbool.h>
#include <stddef.h>

#define BUCKET_NAME_MAX 63

/* Whether a bucket of that name may be created: 3 to 63 lower-case letters, digits, hyphens and
 * dots, which begins and ends with a letter or digit, has no two dots in a row, and isn't an IPv4
 * address. */
bool bucket_name_is_valid(const char *name, size_t len);

/* Whether it can be the first component of a key that clients name, which may have come by the
 * native API: 1 to 63 bytes, none of them '/' or NUL, and not mkv's own. */
bool bucket_name_is_usable(const char *name, size_t len);

#endif
