/* What is wrong with an index and its volumes now, in plain words, and what to do about it. The
 * status page and `mkv status` show the same sentences. */
#ifndef MKV_ADMIN_ADVICE_H
#define MKV_ADMIN_ADVICE_H

#include <jansson.h>
#include <stdint.h>

/* Judges a status (status.h) at `now`, ms since 1970. An array of
 *
 *     {"level":"critical","text":"Volume disk1:3001 is down: it can't be reached.",
 *      "mend":"See whether ...","since_ms":1763740800123}
 *
 * level: "critical" when clients are refused, or will be; "warning" when a failure more would lose
 * or refuse something; "note" for what can wait. The worst come first. mend: sentences, too.
 * since_ms: null when nobody knows. Of many volumes with the same trouble there is one entry, so
 * that there are few. The caller's, or NULL for want of memory. */
json_t *advice_of(const json_t *status, int64_t now);

#endif
