/* The journal: what was committed since the last checkpoint, in blocks, each of them one write and
 * one flush of the disk. Segments are files named by the number of their first block:
 *
 *     DIR/journal.N   head, block N, block N + 1, ... up to where the next segment begins
 *     head            "mkvjrnl2", u64 salt, u32 flags (1: written without flushes), u32 CRC-32C
 *     block           u32 length of the payload, u32 CRC-32C of salt, number and payload, u64
 *                     number, payload
 *     zeros           maybe, at the end of the last segment: written ahead, since a flush is
 * cheaper after a block that only overwrites
 *
 * A block is written only once the one before is on disk. So after a crash at most the last block
 * is torn, and is cut off; one that is damaged with a good block after it, or that a clean stop
 * had on disk (seal.h), was damaged by something else, and is never skipped. The salt keeps bytes
 * of a key from being taken for a block. Without flushes (--no-sync) a power cut may tear any
 * block: what follows the first torn one is lost. */
#ifndef MKV_STORE_GDBM_JOURNAL_H
#define MKV_STORE_GDBM_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct journal;

#define JOURNAL_PAYLOAD_MAX (64U << 20) /* bytes of a block */

struct journal_replay {
    uint64_t blocks;    /* replayed */
    uint64_t bytes;     /* of all segments, what is torn left out */
    uint64_t torn;      /* bytes at the end of the last segment */
    uint64_t last;      /* the last block, `applied` if there is none after it */
    uint64_t sealed;    /* the last block that a clean stop had on disk, or 0 */
    uint64_t tail;      /* first block of the last segment, or 0 when there is no segment */
    uint64_t tail_size; /* its bytes that are good */
};

/* Fires for each block after the checkpoint, in order. Other than 0 ends the replay. */
typedef int (*journal_block_cb)(const unsigned char *payload, size_t n, void *arg);

/* Replays the blocks of a directory's journal with numbers over `applied`, and changes nothing. 0,
 * what `cb` returned, or a negative UV_E* after one log line; UV_EILSEQ when a segment is damaged
 * or missing. */
int journal_read(const char *directory, uint64_t applied, journal_block_cb cb, void *arg,
                 struct journal_replay *total);

/* As journal_read(), then cuts a torn last block off, and opens the journal to append to it.
 * `directory` is borrowed. */
int journal_open(const char *directory, uint64_t applied, bool sync, journal_block_cb cb, void *arg,
                 struct journal_replay *total, struct journal **journal);

/* Closes without writing. NULL does nothing. */
void journal_close(struct journal *journal);

/* Appends a block, 1 to JOURNAL_PAYLOAD_MAX bytes; blocks the thread until it is on disk, and fires
 * `written` once it is in the file only. One call at a time. 0, or UV_ENOSPC or UV_EIO (after a log
 * line, for the first of several in a row), and then the block is not there: before anything else
 * is appended, what is left of it is cut off, the segment read again and checked, and a new one
 * begun. */
int journal_append(struct journal *journal, const void *payload, size_t n,
                   void (*written)(void *arg), void *arg);

/* Brings all blocks to disk and marks that as a clean stop (seal.h). Blocks the thread; nothing is
 * appended afterwards. Nothing to say if it fails but a log line: the next start then takes a torn
 * end for what a crash left. */
void journal_seal(struct journal *journal);

/* The number of the last block. Not during an append. */
uint64_t journal_last(const struct journal *journal);

/* Takes `block` for the last one: a table that is on disk has it and all before. Nothing is
 * appended afterwards. */
void journal_skip(struct journal *journal, uint64_t block);

/* The number of the last block; the next one will begin a new segment. Not during an append. */
uint64_t journal_rotate(struct journal *journal);

/* Removes the segments of `directory` with blocks up to `block`: the journal was rotated there, so
 * that none of them has a later one. Any thread. */
void journal_drop(const char *directory, uint64_t block);

#endif
