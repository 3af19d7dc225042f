/* Keys of multipart uploads. An upload's record is UPLOAD_RECORDS, the bucket, '/', the key,
 * UPLOAD_SEPARATOR and the id; a part of it is UPLOAD_PARTS, the id, '/', its number with five
 * digits, and the object's key "/BUCKET/KEY". */
#ifndef MKV_S3_UPLOAD_KEY_H
#define MKV_S3_UPLOAD_KEY_H

#include "index/base/key.h"

#define UPLOAD_RECORDS   "/_mkv/s3/upload/"
#define UPLOAD_PARTS     KEY_PARTS
#define UPLOAD_ID_LENGTH 32 /* lower-case hexadecimal digits */
#define UPLOAD_ID_SIZE   (UPLOAD_ID_LENGTH + 1)

/* The least byte that a key may have, so that uploads are in the order of their keys: those of "a"
 * before those of "a!" and "a/b". */
#define UPLOAD_SEPARATOR '\x01'
#define UPLOAD_TAIL      (1 + UPLOAD_ID_LENGTH) /* bytes after the object's key */

/* The key of the record of an upload to the object "/BUCKET/KEY". */
void upload_key_of_record(const struct key *object, const char *id, struct key *key);

/* The object that it is an upload to: the reverse. False for a key that is none of those. */
bool upload_key_object(const void *key, size_t len, struct key *object);

/* What the keys of all parts begin with, which ends with a slash; and those of the parts from this
 * number on, from 1 to PART_NUMBER_MAX + 1. */
void upload_key_of_parts(const char *id, struct key *key);
void upload_key_of_parts_from(const char *id, unsigned number, struct key *key);

/* The key of a part of an upload to the object "/BUCKET/KEY". */
void upload_key_of_part(const struct key *object, const char *id, unsigned number, struct key *key);

/* The key of the record of the upload that this is a part of. False for a key that is none. */
bool upload_key_record_of_part(const struct key *part, struct key *record);

/* The number of a part whose key begins as those of `parts` do; 0 for a key that is none. */
unsigned upload_key_part_number(const void *key, size_t len, const struct key *parts);

#endif
