/* The mark of a clean stop: DIR/sealed says that all blocks of the journal up to some number were
 * on disk then.
 *
 *     "mkvseal1", u64 number, u32 CRC-32C
 *
 * No later crash makes that untrue: a start appends to a segment of its own, never to one that is
 * there. So the mark is never removed, and the next clean stop writes over it. A stop that was cut
 * short leaves the old mark, or one whose checksum is wrong, which says nothing. */
#ifndef MKV_STORE_GDBM_SEAL_H
#define MKV_STORE_GDBM_SEAL_H

#include <stdint.h>

#define SEAL_NAME "sealed"

/* What the mark in `directory` says; 0 without a good one. 0, or UV_EIO after a log line. */
int seal_read(const char *directory, uint64_t *block);

/* Writes the mark and brings it to disk, where the blocks are already. 0, or a negative UV_E* after
 * a log line. */
int seal_write(const char *directory, uint64_t block);

#endif
