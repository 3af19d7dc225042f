/* Bytes as JSON (RFC 8259) strings. */
#ifndef MKV_BASE_JSON_H
#define MKV_BASE_JSON_H

#include <stddef.h>

#include "index/base/buf.h"

/* Appends `n` bytes as a JSON string if they are UTF-8 (RFC 3629), else as {"percent":"..."} with
 * what json_append_percent() makes of them. 0 or -ENOMEM. */
int json_append_bytes(struct buf *out, const void *bytes, size_t n);

/* Appends them percent-encoded, all but '/' and the unreserved characters of RFC 3986, without
 * quotes. 0 or -ENOMEM. */
int json_append_percent(struct buf *out, const void *bytes, size_t n);

#endif
