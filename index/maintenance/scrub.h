/* A round in which every copy is read once, and made anew where it is bad; spread over weeks. How
 * far it is survives a restart, as a note of the store: of several indexes, another one goes on. */
#ifndef MKV_MAINTENANCE_SCRUB_H
#define MKV_MAINTENANCE_SCRUB_H

#include "index/maintenance/job.h"

#define SCRUB_NOTE "scrub"

struct scrub_state {
    uint64_t begun;    /* of the round at hand, ms since 1970; 0: none is */
    uint64_t verified; /* begin of the last round that was completed, likewise */
    uint64_t done;     /* keys of the round at hand that were read */
    struct key next;   /* where the round goes on; len 0 at its start */
};

/* Counts as verify.h does of keys. Goes on with the round at hand, or begins one; options.spread is
 * how long it is to take. */
extern const struct job_type scrub_type;

/* Reads the note; without one, or with one that isn't right, no round ever was. */
void scrub_load(const struct objects *objects, struct scrub_state *state);

#endif
