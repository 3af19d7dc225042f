/* Looks whether every key has as many copies as it is to have, each of the right size and, in a
 * deep verify, with the right bytes; and whether there are blobs that no key names. With
 * options.repair copies are made anew from a good one; with options.remove_orphans blobs without a
 * key go. */
#ifndef MKV_MAINTENANCE_VERIFY_H
#define MKV_MAINTENANCE_VERIFY_H

#include "index/maintenance/job.h"

/* Counts copies that are "missing", "short" (of another size), "rotten" and "unreadable", "doubted"
 * ones, and those "away" on volumes that can't be asked; keys with "too_few" places, "repaired" and
 * "failed" ones; "strays", which are blobs without a key, "stray_bytes", and "removed" ones;
 * "strangers", files that are no blobs, which are left alone; and volumes "unlisted": of what lies
 * there only the copies of keys are known, which are asked for one by one. */
extern const struct job_type verify_type;

#endif
