/* Answers that are made piece by piece in worker threads, as fast as their clients read: a piece is
 * made while the last one is sent, and none after that. All of a kind share a few places (over that
 * they are refused) and fewer threads, which they take turns at, so that they leave libuv's other
 * threads to others.
 *
 * An answer that has had nothing to send for a while says so by an empty line, which its client has
 * to skip: else nobody on the way could tell it from one that hangs, and a client that is gone
 * would not be noticed. */
#ifndef MKV_LAUNCHER_PIECES_H
#define MKV_LAUNCHER_PIECES_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "index/base/buf.h"
#include "index/http/http.h"

#define PIECE_BYTES   65536 /* a piece ends when it has so many, ... */
#define PIECE_MS      25    /* ... or when it has taken so long */
#define PIECES_ALIVE  2000  /* ms without a byte, after which an empty line is sent */
#define PIECE_FAILURE 4096

struct piece {
    struct buf bytes;
    char failure[PIECE_FAILURE]; /* why the answer ends after these bytes, or "" */
    bool last;                   /* nothing follows */
};

/* Where pieces come from. */
struct pieces_source {
    /* Adds to piece->bytes until PIECE_BYTES are there or uv_hrtime() is `until`, or as soon as it
     * can after that; an empty piece is fine. Runs in a worker thread, one at a time. */
    void (*make)(void *source, struct piece *piece, uint64_t until);
    void (*free)(void *source); /* in the loop */
};

struct pieces;

/* Up to `places` answers at once, on up to `threads` threads. 0 or UV_ENOMEM. */
int pieces_new(uv_loop_t *loop, unsigned places, unsigned threads, struct pieces **pieces);

/* Answers `http`: 503 when there is no place; else 200 and text, ended by a line "error", TAB and
 * the failure, where one comes. With `at_once` the 200 goes out now; the body must have been read.
 * Without, the request must not have been read or held, and a failure before the first byte is
 * answered 500. `source` is the answer's to free with how->free(), in any case; `how` is borrowed.
 */
void pieces_answer(struct pieces *pieces, struct http_request *http, bool at_once,
                   const struct pieces_source *how, void *source);

/* Fires `cb` when no thread is at work any more and `pieces` is freed, maybe at once. Only when all
 * answers are over or their connections closed. */
void pieces_stop(struct pieces *pieces, void (*cb)(void *arg), void *arg);

#endif
