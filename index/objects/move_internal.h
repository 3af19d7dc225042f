/* What the two halves of a move share: move_targets.c finds where the copies are to be, move.c
 * makes them. */
#ifndef MKV_OBJECTS_MOVE_INTERNAL_H
#define MKV_OBJECTS_MOVE_INTERNAL_H

#include "index/cluster/flush.h"
#include "index/cluster/hash.h"
#include "index/objects/inspection.h"
#include "index/objects/move.h"
#include "index/objects/note.h"

/* Where a move waits, and for whom. */
enum move_state {
    MOVE_STARTING,   /* nothing yet */
    MOVE_LOOKING,    /* the store, which is to say what the key has */
    MOVE_INSPECTING, /* the volumes, which read the copies that there are */
    MOVE_ANNOUNCING, /* the store, which is to know the copies to come */
    MOVE_COPYING,    /* the volumes that a copy is read from and goes to */
    MOVE_READING,    /* the volume that has it, and reads it */
    MOVE_FLUSHING,   /* that, to bring it to disk */
    MOVE_COMMITTING, /* the store */
    MOVE_SETTLING,   /* the store, which is to know what is left; the caller has its answer */
    MOVE_ENDED,
    MOVE_STATES
};

struct move {
    struct objects *objects;
    enum move_state state;
    move_done_cb done;
    void *arg;
    struct key key;
    struct hold hold;
    struct record old;
    struct orphan orphan; /* of the old record's generation, as the store has it; no places: none */
    struct store_reading reading;
    struct record record; /* as it will be */
    struct move_options options;
    unsigned readable; /* bits of the old places that could be read at the start */
    struct upload_target targets[PLACES_MAX];
    unsigned n_targets;
    unsigned at;     /* the target that is being copied to */
    unsigned source; /* the place that is copied from */
    char path[PLACEMENT_PATH_MAX];
    char note[NOTE_MAX];
    struct orphan announced; /* what the store was told of the copies to come; no places: nothing */
    uint64_t until_before;   /* of the blob's orphan, as it was then */
    uint64_t grace;          /* ms that it stays from a change on (orphan_grace()) */
    bool reads_here;         /* the volume that is copied to reads no blobs itself */
    bool is_late;            /* a volume may still carry out what it didn't answer */
    bool is_short;           /* the new record names places without a good copy, or too few */
    int rc;
    char text[MOVE_TEXT_MAX];
    struct store_commit commit;
    struct relay relay;
    struct hash hash;
    struct flush flush;
    struct inspection inspection;
};

/* Sets the targets and the record as it will be. 0; UV_EALREADY when nothing is to be done; or
 * another negative UV_E*, as move_done_cb has it. */
int move_find_targets(struct move *m);

/* Whether the place is one of the old ones, and has a good copy. */
bool move_has_copy(const struct move *m, const struct place *place);

/* Whether, when these old places have a copy that can be read (as bits), as many such copies are
 * there after the move as before it, or as there are to be. */
bool move_keeps_enough(const struct move *m, unsigned readable);

/* Whether the bit of that place is set. */
static inline bool move_is_one_of(unsigned bits, unsigned i)
{
    return (bits >> i & 1U) != 0;
}

/* Sets the text, and returns rc. `volume` may be "". */
int move_refuse(struct move *m, int rc, const char *what, const char *volume);

#endif
