/* How long things took, counted in a few ranges, as Prometheus's histograms have it. */
#ifndef MKV_BASE_HISTOGRAM_H
#define MKV_BASE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BOUNDS 11

/* The upper ends of the ranges in nanoseconds, each part of its range; one more range, without an
 * end, follows. From what a request costs that waits for nothing to what a client gives up after.
 */
static const uint64_t histogram_bounds[HISTOGRAM_BOUNDS] = {
    100000,    500000,    1000000,    5000000,    10000000,   50000000,
    100000000, 500000000, 1000000000, 5000000000, 30000000000};

struct histogram {
    uint64_t counts[HISTOGRAM_BOUNDS + 1]; /* of each range alone */
    uint64_t sum;                          /* nanoseconds of all */
};

static inline void histogram_add(struct histogram *h, uint64_t nanoseconds)
{
    unsigned i = 0;

    while (i < HISTOGRAM_BOUNDS && nanoseconds > histogram_bounds[i])
        i++;
    h->counts[i]++;
    h->sum += nanoseconds;
}

#endif
