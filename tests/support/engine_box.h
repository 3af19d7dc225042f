/* A store of any engine on a loop of its own, for programs that wait for each call: what comes
 * later is waited for. What can't fail in a sane test ends the program with a line on stderr. */
#ifndef MKV_TESTS_SUPPORT_ENGINE_BOX_H
#define MKV_TESTS_SUPPORT_ENGINE_BOX_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "index/store/store.h"

struct engine_kind;

struct engine_box {
    uv_loop_t loop;
    const struct engine_kind *kind;
    char dir[128];       /* for files of the engine's, which go with the box */
    void *place;         /* the kind's: what the store lies in */
    struct store *store; /* NULL while closed */
};

/* How an engine is opened. */
struct engine_kind {
    const char *name;
    bool is_shared; /* several indexes may have it open */
    bool orders;    /* commits end in the order of their beginnings, and each finds what those
                       before it will leave */
    void *(*place_new)(void); /* an empty place; NULL: the directory is enough */
    void (*place_free)(void *place);
    int (*open)(struct engine_box *box, struct store **store);
};

/* The kind of that name: gdbm, or late (GDBM, all of whose readings come later); else NULL. */
const struct engine_kind *engine_kind_named(const char *name);

/* With a new place, opened. */
void engine_box_init(struct engine_box *box, const struct engine_kind *kind);

/* Closes the store if it is open, checks that the loop is empty, and removes all. */
void engine_box_deinit(struct engine_box *box);

/* Closes the store and runs the loop until that is done. */
void engine_box_close(struct engine_box *box);

/* Closes it and opens it again. */
void engine_box_reopen(struct engine_box *box);

/* Runs the loop once; ends the program when it says that nothing can happen any more. */
void engine_box_turn(struct engine_box *box);

/* As the calls of store.h, and never STORE_LATER. */
int engine_box_get(struct engine_box *box, const void *key, size_t len, struct record *record);
int engine_box_get_orphan(struct engine_box *box, const void *key, size_t len, uint64_t generation,
                          struct orphan *orphan);
int engine_box_view(struct engine_box *box, const void *key, size_t len, struct store_view *view);
int engine_box_list(struct engine_box *box, const struct store_range *range, store_list_cb each,
                    void *arg);
int engine_box_list_orphans(struct engine_box *box, const struct store_orphan_range *range,
                            store_orphan_cb each, void *arg);
int engine_box_volume_id(struct engine_box *box, const char *name, uint32_t *id);
int engine_box_put_note(struct engine_box *box, const char *name, const char *was,
                        const char *value);
int engine_box_commit(struct engine_box *box, const struct store_change *changes, size_t n);
int engine_box_announce(struct engine_box *box, const struct store_change *change);

#endif
