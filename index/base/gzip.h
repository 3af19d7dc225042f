/* gzip (RFC 1952) as it streams, in bounded memory. The only user of zlib. */
#ifndef MKV_BASE_GZIP_H
#define MKV_BASE_GZIP_H

#include <stdbool.h>
#include <stddef.h>

#include "index/base/buf.h"

struct gzip;
struct gunzip;

/* NULL when memory is short. Packs fast rather than small. */
struct gzip *gzip_new(void);

/* Packs bytes, and appends to `out` what has become of those so far: perhaps nothing yet. 0 or
 * -ENOMEM, and then only gzip_free() may follow. */
int gzip_add(struct gzip *gzip, const void *bytes, size_t n, struct buf *out);

/* The same of the end. Only gzip_free() may follow. */
int gzip_end(struct gzip *gzip, struct buf *out);

/* NULL does nothing. */
void gzip_free(struct gzip *gzip);

/* Gets bytes that were unpacked, GUNZIP_PIECE at most. 0, or negative to end all with that. */
typedef int (*gunzip_cb)(const char *bytes, size_t n, void *arg);

#define GUNZIP_PIECE 16384

/* NULL when memory is short. */
struct gunzip *gunzip_new(void);

/* Unpacks bytes. 0; -EILSEQ when they are damaged, no gzip, or go on after its end; -ENOMEM; or
 * what `cb` returned. After a failure only gunzip_free() may follow. */
int gunzip_add(struct gunzip *gunzip, const void *bytes, size_t n, gunzip_cb cb, void *arg);

/* Whether the end was there, and its checksum is right. */
bool gunzip_is_whole(const struct gunzip *gunzip);

/* NULL does nothing. */
void gunzip_free(struct gunzip *gunzip);

#endif
