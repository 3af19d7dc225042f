/* An engine that wraps another, and whose readings all come later (STORE_LATER): what is read is
 * what the other engine had at the call, and the callback fires in the loop's next turn. So a
 * commit may have ended in between, as with a database. Listings come in pages of what is wanted,
 * one a turn. Commits go to the other engine as they are; an announcement looks at its key, as it
 * was before.
 *
 * It holds its caller to the contract of store.h: a key has to stay as it was until the callback, a
 * record is gone after it, and nothing may wait when the store is closed. */
#ifndef MKV_TESTS_SUPPORT_LATE_ENGINE_H
#define MKV_TESTS_SUPPORT_LATE_ENGINE_H

#include <stdbool.h>
#include <uv.h>

#include "index/store/store.h"

/* Takes `inner` over: store_close() of the result closes both. It ends the program where there is
 * no memory. */
struct store *late_engine_new(uv_loop_t *loop, struct store *inner);

/* While it is held, no callback of a reading or of an announcement fires. */
void late_engine_hold(struct store *late, bool held);

/* While it is away, each call that reads or commits has STORE_AWAY: a reading later, a commit at
 * once. What was begun before goes on. */
void late_engine_set_away(struct store *late, bool away);

/* A blind one doesn't look along with an announcement. */
void late_engine_set_blind(struct store *late, bool blind);

/* Whether this index leads: at first it does. */
void late_engine_set_leads(struct store *late, bool leads);

/* Whether what it knows to be its own still is: at first it is. */
void late_engine_set_holds(struct store *late, bool holds);

/* Has the store be one that several indexes share, and this index be that instance. */
void late_engine_share(struct store *late, uint64_t instance, unsigned settle_ms);

/* Which other instances live: `number` below LATE_ENGINE_OTHERS; 0: none. */
#define LATE_ENGINE_OTHERS 2
void late_engine_set_lives(struct store *late, unsigned number, uint64_t instance);

/* How many readings wait, and announcements that are held. */
unsigned late_engine_waiting(const struct store *late);

#endif
