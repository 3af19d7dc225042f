/* Volumes' names as users write them: "disk1:3001", which is asked by HTTP, and
 * "https://disk1:3001", which is asked by TLS. The scheme says how a volume is reached, and nothing
 * of who it is: keys are placed, zones made and names compared by the address behind it alone, so
 * that a volume keeps its keys when it takes up TLS. */
#ifndef MKV_BASE_VOLUME_NAME_H
#define MKV_BASE_VOLUME_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "index/base/address.h"

#define VOLUME_NAME_TLS  "https://"
#define VOLUME_NAME_SIZE (8 + ADDRESS_TEXT_MAX) /* of the longest one, with a NUL */

/* Parses a name: HOST:PORT as address_parse() takes it, after "https://" or nothing. 0, or -EINVAL
 * with *address untouched. */
int volume_name_parse(const char *name, struct address *address);

/* Whether the volume is to be asked by TLS. */
bool volume_name_has_tls(const char *name);

/* What a URL has before the name: "http://", or "" where the name has its scheme. */
const char *volume_name_scheme(const char *name);

/* The name's HOST:PORT, in place. */
const char *volume_name_address(const char *name);

/* Whether two names, of so many bytes, have the same address; letters of either case are the same.
 */
bool volume_names_meet(const char *a, size_t a_len, const char *b, size_t b_len);

#endif
