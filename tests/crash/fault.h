/* Lets one call of the store fail: the nth of its kind, or all from that one on. interpose.h
 * catches them; of calls on files only those in one directory count. */
#ifndef MKV_TESTS_CRASH_FAULT_H
#define MKV_TESTS_CRASH_FAULT_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/support/interpose.h"

struct fault_kind {
    const char *name;
    enum interpose_call call;
    int error;  /* 0: a write is cut short, which is no failure */
    bool stays; /* until fault_end() */
    bool torn;  /* half of the first write is done */
};

/* From now on. Counts from 1. */
void fault_begin(const struct fault_kind *kind, unsigned n, const char *directory);

/* The disk, or the memory, is well again. Nothing while none was begun. */
void fault_end(void);

/* Nothing fails, and nothing is counted, from the first to the second. Nothing runs in the store.
 */
void fault_pause(void);
void fault_resume(void);

/* Calls that failed since fault_begin(). */
unsigned fault_hits(void);

#endif
