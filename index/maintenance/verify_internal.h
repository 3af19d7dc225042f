/* What the parts of a verify share: verify.c is the job and its stages, verify_compare.c finds what
 * may be wrong in what volumes list and the index says, key_doctor.c looks at one such key and
 * mends it, verify_stray.c at one blob without a key. */
#ifndef MKV_MAINTENANCE_VERIFY_INTERNAL_H
#define MKV_MAINTENANCE_VERIFY_INTERNAL_H

#include "index/maintenance/inventory.h"
#include "index/maintenance/key_doctor.h"
#include "index/maintenance/resume.h"

#define VERIFY_BATCH 256 /* suspects that wait, and those of one more key */
#define VERIFY_ROOM  (VERIFY_BATCH + PLACES_MAX + 1)

/* What is to be looked at: a key, or a blob that none seems to name. */
struct suspect {
    struct key key;
    bool is_stray;
    struct record record; /* of a key */
    uint64_t generation;  /* of a stray, as the next three */
    struct place place;
    uint64_t size;
    uint64_t time; /* of its file, ms since 1970 */
};

enum verify_stage {
    VERIFY_LISTING,   /* the volumes */
    VERIFY_COMPARING, /* what they list and the index says; or it waits for operations */
    VERIFY_FETCHING,  /* more of the list */
    VERIFY_ENDING
};

struct verify {
    struct job *job;
    enum verify_stage stage;
    struct inventory inventory;
    uv_timer_t timer; /* the next turn */
    struct resume at; /* in the store */
    struct store_reading reading;
    bool is_reading; /* the store */
    uint64_t pause;  /* ms until it does so again */
    bool store_ended;
    bool compared; /* all was seen */
    uint64_t slice_until;
    unsigned looked_at;
    struct suspect *suspects; /* n of them wait, from `first` on */
    unsigned first;
    unsigned n;
    unsigned n_running; /* operations */
    struct key_doctor doctor;
    int rc;
};

/* verify_compare.c: one slice. 0: more is to come, or room is wanted; UV_EAGAIN: the inventory has
 * to be fetched; 1: all was seen; or another negative UV_E*. Or STORE_LATER, and that comes by
 * verify_compared(). */
int verify_compare(struct verify *verify);

/* verify_stray.c: looks at the blob. The operation ends with verify_ended(), never within this
 * call. 0; UV_EAGAIN when there is nothing to be done: it is an orphan, or can't be asked for now;
 * or UV_ENOMEM. */
int verify_stray_start(struct verify *verify, const struct suspect *suspect);

/* verify.c: a slice that was to come later has ended. */
void verify_compared(struct verify *verify, int rc);

/* verify.c: an operation has ended. */
void verify_ended(struct verify *verify);

#endif
