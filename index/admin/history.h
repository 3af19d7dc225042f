/* What clients have asked for in the last hour: a ring of samples, one every HISTORY_INTERVAL, in
 * some 12 KB. A sample is what has happened between two looks at the totals. */
#ifndef MKV_ADMIN_HISTORY_H
#define MKV_ADMIN_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#include "index/http/meter.h"

#define HISTORY_INTERVAL 10000 /* ms between samples */
#define HISTORY_SAMPLES  360   /* an hour */

enum history_series {
    HISTORY_READS, /* requests of either API that read; whatever the answer was, as the next three
                    */
    HISTORY_WRITES,
    HISTORY_DELETES,
    HISTORY_LISTS,
    HISTORY_ERRORS, /* requests that mkv could not do: answers of 5xx */
    HISTORY_COUNTS,
    HISTORY_P50 = HISTORY_COUNTS, /* latency in us that half of the requests had at most, */
    HISTORY_P99,                  /* and 99 of 100 */
    HISTORY_SERIES
};

/* Since the start. */
struct history_totals {
    uint64_t counts[HISTORY_COUNTS];
    struct histogram latency;
};

/* What a meter whose kinds are operations (operation.h) has counted. */
void history_sum(const struct meter *meter, struct history_totals *totals);

struct history {
    uint32_t samples[HISTORY_SAMPLES][HISTORY_SERIES];
    size_t n; /* samples so far, those that others have replaced too */
    struct history_totals last;
};

/* Takes the sample since the last call; all zero, a history begins with totals of 0. */
void history_add(struct history *history, const struct history_totals *totals);

/* How many samples there are, HISTORY_SAMPLES at most. */
size_t history_count(const struct history *history);

/* What the sample `ago` has of a series, 0 for the last one, ago < history_count(). Counts are of
 * the interval. */
uint32_t history_at(const struct history *history, enum history_series series, size_t ago);

#endif
