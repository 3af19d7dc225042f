/* What is done when the disk is nearly full, so that the store can always make room on it again.
 *
 * A commit takes room before it gives any back: its block is in the journal until a checkpoint, and
 * a checkpoint needs room for the next table before the journal goes. So
 *
 * - the last part of the disk, the reserve, is for commits that delete something, and for the
 *   checkpoint after them: other commits are refused as if the disk were full;
 * - a checkpoint begins early, while there is still room for what it will write, and commits wait
 *   for its end before they take the room that the next one needs.
 *
 * Somebody else may fill the disk to its last byte, of course. Then nothing can be written until
 * there is room again; and as soon as there is, it can. */
#ifndef MKV_STORE_GDBM_ROOM_H
#define MKV_STORE_GDBM_ROOM_H

#include <stdbool.h>
#include <stdint.h>

/* In bytes. */
struct room {
    uint64_t left;    /* that we could write */
    uint64_t reserve; /* of these, for commits that delete */
    uint64_t copy;    /* that the next checkpoint writes besides the journal's changes */
};

/* Looks at the disk and the tables of a directory. Any thread; waits for nothing but the file
 * system. What can't be told is taken for plenty. */
struct room room_look(const char *directory);

/* Whether only commits that delete are taken; `was`: they alone were so far, and that is over only
 * when there is some room more, rather than with each checkpoint. */
static inline bool room_is_short(const struct room *room, bool was)
{
    return room->left < room->reserve * (was ? 2 : 1) + room->copy;
}

/* Whether a checkpoint of `pending` bytes of the journal should begin because later there may be no
 * room for it. */
bool room_wants_checkpoint(const struct room *room, uint64_t pending);

/* How many bytes the journal may get beside such a checkpoint, so that there is room for the next
 * one too. */
uint64_t room_beside_checkpoint(const struct room *room, uint64_t pending);

#endif
