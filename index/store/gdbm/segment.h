/* One file of the journal (journal.h describes its form): its head and blocks as bytes, and its
 * reading. */
#ifndef MKV_STORE_GDBM_SEGMENT_H
#define MKV_STORE_GDBM_SEGMENT_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/store/gdbm/journal.h"

#define SEGMENT_NAME       "journal.%" PRIu64
#define SEGMENT_HEAD       24
#define SEGMENT_BLOCK_HEAD 16

void segment_write_head(unsigned char head[SEGMENT_HEAD], uint64_t salt, bool sync);
void segment_write_block_head(unsigned char head[SEGMENT_BLOCK_HEAD], uint64_t salt,
                              uint64_t number, const void *payload, size_t n);

struct segment {
    uint64_t first; /* block, as its name says */
    uint64_t size;  /* bytes that are good */
};

struct segment_list {
    struct segment *segments; /* by first block */
    size_t count;
};

/* The segments in a directory, with their files' sizes. 0 or a negative UV_E*; free it either way.
 */
int segment_list_read(const char *directory, struct segment_list *list);
void segment_list_deinit(struct segment_list *list);

/* How far a replay has come, from segment to segment. */
struct segment_replay {
    uint64_t next;     /* block expected */
    uint64_t applied;  /* blocks up to this one are checked, and not replayed */
    uint64_t replayed; /* blocks */
    journal_block_cb cb;
    void *arg;
};

/* How the blocks in `n` bytes of a segment end. */
enum segment_end {
    SEGMENT_WHOLE,   /* with the last byte, or with zeros after it that were written ahead */
    SEGMENT_TORN,    /* with one that was cut short: *good bytes are good */
    SEGMENT_DAMAGED, /* with a bad one, and there is a good one after it */
    SEGMENT_STOPPED  /* where `cb` returned other than 0, which is in *stopped */
};

/* Replays the blocks of a whole segment in memory. */
enum segment_end segment_parse(const unsigned char *bytes, size_t n, struct segment_replay *replay,
                               size_t *good, int *stopped);

/* Replays a file. `whole` is why no crash can have torn its end, for the log line that refuses one
 * that is torn; or NULL, and then segment->size and *cut say where it is torn. 0, what `cb`
 * returned, or a negative UV_E* after a log line. */
int segment_replay(const char *directory, struct segment *segment, const char *whole,
                   struct segment_replay *replay, uint64_t *cut);

/* Cuts the file to segment->size bytes, or away when that leaves no block, and brings that to disk.
 * 0, or UV_ENOSPC or UV_EIO after a log line. */
int segment_truncate(const char *directory, const struct segment *segment);

#endif
