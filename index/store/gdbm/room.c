#include "index/store/gdbm/room.h"

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "index/store/gdbm/checkpoint.h"

#define RESERVE_MAX  (1UL << 20) /* bytes */
#define RESERVE_PART 16          /* of a small disk */
#define WORTH_PART   4           /* of the reserve: for less journal a checkpoint isn't worth it */
#define TABLE_FACTOR 3 /* bytes of a table that a byte of the journal may become, at most */

static uint64_t file_bytes(const char *directory, const char *name)
{
    char path[PATH_MAX];
    struct stat st;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* The next table is made in the spare's place, and has that name meanwhile; or in a new file. */
static uint64_t copy_bytes(const char *directory)
{
    uint64_t table = file_bytes(directory, TABLE_NAME);
    uint64_t there = file_bytes(directory, SPARE_NAME) + file_bytes(directory, NEXT_NAME);

    return table > there ? table - there : 0;
}

struct room room_look(const char *directory)
{
    struct room room = {.left = UINT64_MAX};
    struct statvfs disk;
    uint64_t total;

    if (statvfs(directory, &disk) < 0 || disk.f_blocks == 0)
        return room;
    total = (uint64_t)disk.f_blocks * disk.f_frsize;
    room.left = (uint64_t)(geteuid() == 0 ? disk.f_bfree : disk.f_bavail) * disk.f_frsize;
    room.reserve = total / RESERVE_PART < RESERVE_MAX ? total / RESERVE_PART : RESERVE_MAX;
    room.copy = copy_bytes(directory);
    return room;
}

/* Room for what the journal adds to the table is asked for twice: the checkpoint after this one
 * writes it too, to the file that is the spare then. What can't succeed isn't begun: it would write
 * until the disk is full, over and over. */
bool room_wants_checkpoint(const struct room *room, uint64_t pending)
{
    uint64_t need = room->reserve + room->copy + 2 * TABLE_FACTOR * pending;

    return pending > 0 && pending >= room->reserve / WORTH_PART && room->left < need &&
           room->left >= room->copy;
}

/* When the checkpoint has ended, it has written `copy` and TABLE_FACTOR * pending bytes, and given
 * `pending` bytes back. The next one needs TABLE_FACTOR * pending, and 2 * TABLE_FACTOR times what
 * the journal has got by then, which is on the disk itself. */
uint64_t room_beside_checkpoint(const struct room *room, uint64_t pending)
{
    uint64_t need = room->reserve + room->copy + (2 * TABLE_FACTOR - 1) * pending;

    return room->left > need ? (room->left - need) / (2 * TABLE_FACTOR + 1) : 0;
}
