/* What tests of index/objects/ stand on: a store in a temporary directory, three volumes that are
 * servers on the same loop, and a clock that can be put forward. A value goes to two of them. */
#ifndef MKV_TESTS_UNIT_OBJECTS_FIXTURE_H
#define MKV_TESTS_UNIT_OBJECTS_FIXTURE_H

#include "tests/unit/test.h"

#include "index/objects/change.h"
#include "index/objects/move.h"
#include "index/objects/objects.h"
#include "index/objects/reclaim.h"
#include "index/objects/write.h"
#include "tests/support/slow_disk.h"
#include "tests/support/storebox.h"
#include "tests/support/volume_server.h"

#define VOLUMES 3
#define COPIES  2
#define GRACE   8000 /* ms: more than a round of the reclaimer */

/* Nothing is known of the copies. */
static const struct move_options move_to_best = {.goal = MOVE_TO_BEST};

#define FIXTURE_STALL 30000 /* ms that a volume may be silent */

struct fixture {
    struct storebox box;
    struct volume_server servers[VOLUMES];
    struct objects objects;
    bool settled;
    unsigned stopped;
};

/* An operation that a test waits for. */
struct task {
    struct fixture *f;
    struct write *write; /* NULL once it is over */
    bool started;        /* of a write, and what it gets then: */
    char value[32];
    bool is_whole;
    bool ended;
    int rc;
    struct record record;       /* of a write */
    char text[UPLOAD_TEXT_MAX]; /* of a move, too */
};

int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Runs the loop until the condition holds, though nothing may wake the loop. */
#define WAIT_UNTIL(f, condition)                                                                   \
    do {                                                                                           \
        uint64_t until = fixture_deadline();                                                       \
                                                                                                   \
        while (!(condition))                                                                       \
            fixture_turn(f, until, #condition);                                                    \
    } while (0)

uint64_t fixture_deadline(void);
void fixture_turn(struct fixture *f, uint64_t until, const char *condition);

/* Puts all clocks forward, while the loop goes on. */
void fixture_pass_time(struct fixture *f, unsigned ms);

/* The same until all volumes are up, and none is paused. They must do what they are asked. */
void fixture_wait_until_up(struct fixture *f);

/* Says what all volumes do with a kind of requests. */
void fixture_set_fates(struct fixture *f, enum volume_request kind, enum volume_fate fate);

/* Requests of a kind that have come whole to any volume; and orphans in the store. */
unsigned fixture_count(const struct fixture *f, enum volume_request kind);
uint64_t fixture_count_orphans(struct fixture *f);

/* Whether a commit waits for the disk, which has another one in hand. */
bool fixture_commit_waits(const struct fixture *f);

/* The volume that is the key's best but `rank`, and its server. */
struct volume_server *fixture_server(struct fixture *f, const char *key, unsigned rank);

/* Lists all volumes; or those of the key's that
 * are not its best but `rank`. */
void fixture_list_all(struct fixture *f);
void fixture_list_without(struct fixture *f, const char *key, unsigned rank);

/* Lists all, each in a zone ("": that of its host), with a weight for the first one. */
void fixture_list_as(struct fixture *f, const char *const *zones, unsigned first_weight);

/* Starts the reclaimer, as the start of mkv does. */
void fixture_start_reclaimer(struct fixture *f);

/* The same, and lets it go on until no orphan is left. */
void fixture_reclaim(struct fixture *f);

/* --- Operations ------------------------------------------------------------------------------ */

/* Each begins, and waits until a write has started; what it says at once, if it is an error, is the
 * task's rc. Of the options, all callbacks but the condition are filled in, and `arg`: the argument
 * is the task. */
void task_write(struct fixture *f, struct task *task, const char *key, const char *value);
void task_begin_write(struct fixture *f, struct task *task, const char *key, int64_t size);
void task_begin_write_as(struct fixture *f, struct task *task, const char *key,
                         const struct write_options *options);
void task_begin_write_without_waiting(struct fixture *f, struct task *task, const char *key,
                                      const struct write_options *options);
void task_add(struct task *task, const char *bytes);
void task_end(struct task *task);
void task_remove(struct fixture *f, struct task *task, const char *key);
void task_unlink(struct fixture *f, struct task *task, const char *key);
void task_move(struct fixture *f, struct task *task, const char *key);
void task_move_as(struct fixture *f, struct task *task, const char *key,
                  const struct move_options *options);

/* The same with a record that the caller looked up earlier. */
void task_remove_record(struct fixture *f, struct task *task, const char *key,
                        const struct record *record);
void task_move_record(struct fixture *f, struct task *task, const char *key,
                      const struct record *record);

/* Waits for its end, and returns its rc; the second while what volumes hold back gets late. */
int task_wait(struct task *task);
int task_wait_long(struct task *task);

/* Each does it all, and returns how it ended. */
int fixture_put(struct fixture *f, const char *key, const char *value);
int fixture_remove(struct fixture *f, const char *key);
int fixture_unlink(struct fixture *f, const char *key);
int fixture_move(struct fixture *f, const char *key);
int fixture_look_up(struct fixture *f, const char *key, struct record *record);

/* --- What must hold -------------------------------------------------------------------------- */

/* The key has this value, durably at each of its record's places; NULL: it has none. */
void assert_value(struct fixture *f, const char *key, const char *value);

/* Once all operations have ended: every blob at any volume is named by a record or by an orphan,
 * and what a record names is there. */
void assert_named(struct fixture *f);

/* That; and once the reclaimer has run, for as long as anything has to wait, there is no blob but
 * those that records name, and no orphan. */
void assert_clean(struct fixture *f);

#endif
