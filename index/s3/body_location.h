/* The body of CreateBucket: where the bucket is to be. It is here in any case, and its client is
 * told again what it asked for. */
#ifndef MKV_S3_BODY_LOCATION_H
#define MKV_S3_BODY_LOCATION_H

#include <stddef.h>

#include "index/s3/error.h"

#define BODY_LOCATION_MAX 63 /* characters of a region */

struct body_location;

/* NULL when memory is short. */
struct body_location *body_location_new(void);

/* Reads some bytes of the body, and its end, also if there were no bytes. S3_OK, or what is wrong,
 * and the same from then on:
 *   S3_MALFORMED_XML    it isn't that;
 *   S3_NOT_IMPLEMENTED  it asks for more than a location, say for another kind of bucket;
 *   S3_ILLEGAL_LOCATION_CONSTRAINT  that can be no region's name;
 *   S3_INTERNAL_ERROR   memory is short. */
enum s3_error body_location_add(struct body_location *body, const char *bytes, size_t n);
enum s3_error body_location_end(struct body_location *body);

/* What it says, after its end: letters, digits and hyphens; "" where it says nothing. Borrowed. */
const char *body_location_text(const struct body_location *body);

/* NULL does nothing. */
void body_location_free(struct body_location *body);

#endif
