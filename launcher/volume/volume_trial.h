/* What a volume tries on its disk, and what it finds. All of this blocks: it is for the start, and
 * then for a thread of its own. */
#ifndef MKV_LAUNCHER_VOLUME_TRIAL_H
#define MKV_LAUNCHER_VOLUME_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "launcher/volume/volume_dir.h"

#define VOLUME_REASON_SIZE 120

enum volume_condition {
    VOLUME_IS_UP,
    VOLUME_IS_READ_ONLY, /* its values can be read, and it takes nothing new */
    VOLUME_IS_DOWN
};

struct volume_finding {
    enum volume_condition condition;
    char reason[VOLUME_REASON_SIZE]; /* plain ASCII without quotes; "" when it is up */
    unsigned long long total;        /* bytes of the disk, and what is left of them for an ... */
    unsigned long long free;         /* ... unprivileged user; 0 of 0 when they aren't known */
};

/* Looks whether the path still leads to the directory that is held open, and how much is left on
 * its disk, and makes nginx's temporary directories again where they are missing. When this process
 * is short of something (shortage.h) the finding stays as it is, here and in the next. */
void volume_trial_look(const struct volume_dir *dir, struct volume_finding *finding);

/* Makes, writes and syncs a file. The finding's numbers stay as they are. */
void volume_trial_write(const struct volume_dir *dir, struct volume_finding *finding);

/* Tries at the start what the file system can do, and says in the log what is missing. 0 and,
 * unless the disk is full, dir->name_max; or -errno after one log line when values would get lost:
 * -EINVAL where names that differ in case are one, or the errno of fsync(2). */
int volume_trial_start(struct volume_dir *dir);

/* Whether a Unix socket can be made in .mkv. */
bool volume_trial_socket(const struct volume_dir *dir);

/* "up", "read-only", "down". */
const char *volume_condition_name(enum volume_condition condition);

#endif
