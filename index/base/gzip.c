#include "index/base/gzip.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#define LEVEL 1 /* of 9: the fastest */

/* 32 KiB of history, and gzip's head and end instead of zlib's own. */
#define GZIP_WINDOW (15 + 16)

#define MEMORY 8    /* zlib's default */
#define ROOM   4096 /* bytes that `out` gets at a time */

struct gzip {
    z_stream stream;
};

struct gunzip {
    z_stream stream;
    bool is_whole;
    char piece[GUNZIP_PIECE];
};

/* --- Packing --------------------------------------------------------------------------------- */

struct gzip *gzip_new(void)
{
    struct gzip *g = calloc(1, sizeof(*g));

    if (g != NULL && deflateInit2(&g->stream, LEVEL, Z_DEFLATED, GZIP_WINDOW, MEMORY,
                                  Z_DEFAULT_STRATEGY) != Z_OK) {
        free(g);
        return NULL;
    }
    return g;
}

/* Until zlib leaves room in `out`: then it has nothing more to give. */
static int pack(struct gzip *g, int flush, struct buf *out)
{
    do {
        if (buf_reserve(out, ROOM) < 0)
            return -ENOMEM;
        g->stream.next_out = (Bytef *)out->data + out->tail;
        g->stream.avail_out = ROOM;
        deflate(&g->stream, flush);
        out->tail += ROOM - g->stream.avail_out;
    } while (g->stream.avail_out == 0);
    return 0;
}

int gzip_add(struct gzip *g, const void *bytes, size_t n, struct buf *out)
{
    assert(n <= UINT_MAX);
    g->stream.next_in = (z_const Bytef *)bytes;
    g->stream.avail_in = (uInt)n;
    return pack(g, Z_NO_FLUSH, out);
}

int gzip_end(struct gzip *g, struct buf *out)
{
    g->stream.avail_in = 0;
    return pack(g, Z_FINISH, out);
}

void gzip_free(struct gzip *g)
{
    if (g == NULL)
        return;
    deflateEnd(&g->stream);
    free(g);
}

/* --- Unpacking ------------------------------------------------------------------------------- */

struct gunzip *gunzip_new(void)
{
    struct gunzip *g = calloc(1, sizeof(*g));

    if (g != NULL && inflateInit2(&g->stream, GZIP_WINDOW) != Z_OK) {
        free(g);
        return NULL;
    }
    return g;
}

/* The next piece; *more: there may be another one without more bytes. */
static int unpack(struct gunzip *g, gunzip_cb cb, void *arg, bool *more)
{
    size_t n;
    int rc;

    g->stream.next_out = (Bytef *)g->piece;
    g->stream.avail_out = sizeof(g->piece);
    rc = inflate(&g->stream, Z_NO_FLUSH);
    if (rc == Z_MEM_ERROR)
        return -ENOMEM;
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
        return -EILSEQ;
    g->is_whole = rc == Z_STREAM_END;
    if (g->is_whole && g->stream.avail_in > 0)
        return -EILSEQ;
    n = sizeof(g->piece) - g->stream.avail_out;
    *more = !g->is_whole && g->stream.avail_out == 0;
    return n > 0 ? cb(g->piece, n, arg) : 0;
}

int gunzip_add(struct gunzip *g, const void *bytes, size_t n, gunzip_cb cb, void *arg)
{
    bool more = n > 0;
    int rc = 0;

    assert(n <= UINT_MAX);
    if (g->is_whole && n > 0)
        return -EILSEQ;
    g->stream.next_in = (z_const Bytef *)bytes;
    g->stream.avail_in = (uInt)n;
    while (rc == 0 && more)
        rc = unpack(g, cb, arg, &more);
    return rc;
}

bool gunzip_is_whole(const struct gunzip *g)
{
    return g->is_whole;
}

void gunzip_free(struct gunzip *g)
{
    if (g == NULL)
        return;
    inflateEnd(&g->stream);
    free(g);
}
