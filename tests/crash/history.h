/* What was issued and acknowledged, and when, by the length of the disk log (disk_log.h): so that
 * it is known what must be on a disk whose power was cut at any op of that log. */
#ifndef MKV_TESTS_CRASH_HISTORY_H
#define MKV_TESTS_CRASH_HISTORY_H

#include "tests/crash/ledger.h"

struct history_event;

struct history {
    struct ledger base; /* as of the beginning; no event is known from before */
    struct history_event *events;
    size_t n;
    size_t room;
};

/* Forgets all events: from now on, from this ledger. A zeroed history may begin; the ledger may be
 * its own base. The first 1000 events will ask for no memory. */
void history_begin(struct history *history, const struct ledger *ledger);

/* Adds an event of this moment. */
void history_add(struct history *history, const struct note *note);

/* The ledger of the moment when the log was so long. */
void history_find(const struct history *history, size_t at, struct ledger *ledger);

/* Forgets what was later. */
void history_cut(struct history *history, size_t at);

void history_deinit(struct history *history);

#endif
