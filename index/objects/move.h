/* Brings a key's copies to where they are to be, and makes those anew that are lost. */
#ifndef MKV_OBJECTS_MOVE_H
#define MKV_OBJECTS_MOVE_H

#include "index/objects/objects.h"

#define MOVE_TEXT_MAX (VOLUME_ADDRESS_MAX + 64)

enum move_goal {
    MOVE_TO_BEST, /* to the volumes that a PUT would choose with all of them up */
    MOVE_TOP_UP   /* as many copies as there are to be: the ones that it has stay where they are */
};

/* What is wanted, and what the caller knows of the copies. */
struct move_options {
    enum move_goal goal;
    unsigned lost;    /* bits of the record's places where no good copy is: none is read there, and
                         one may be made anew */
    unsigned leaving; /* those that can be read, and are to have none any more */
    bool yields;      /* nobody waits for it: it is slow while clients ask for something */
};

/* Fires once, from the loop, and never inside move_start(). 0: the copies are there; where volumes
 * could take only some of them, `text` has a line that says so, else it is "". Negative: nothing
 * has changed, and `text` says why: UV_EREMOTEIO (a volume is down or full, a copy failed, or one
 * that was to stay isn't there), UV_EAGAIN (it can't be done now), STORE_CONFLICT (the key isn't as
 * the record says any more), or as store_commit_cb. */
typedef void (*move_done_cb)(void *arg, int rc, const char *text);

/* Moves a key that has this record. A copy that is lost stays in the record where no other one can
 * take its place. 0, or negative with `text`, and then `done` doesn't fire;
 * UV_EALREADY: the copies are there already. */
int move_start(struct objects *objects, const struct key *key, const struct record *record,
               const struct move_options *options, move_done_cb done, void *arg,
               char text[MOVE_TEXT_MAX]);

#endif
