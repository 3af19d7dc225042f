/* How long the requests of one kind took. */
#ifndef MKV_THRASHER_LATENCY_H
#define MKV_THRASHER_LATENCY_H

#include <stddef.h>
#include <stdint.h>

struct latency {
    uint32_t *samples; /* microseconds, in the order they came in; owned */
    size_t n;          /* samples taken */
    size_t capacity;   /* samples there is room for */
};

/* Makes room for `capacity` samples. 0, or -ENOMEM. */
int latency_init(struct latency *l, size_t capacity);
void latency_deinit(struct latency *l);

/* Takes a sample; there must be room. */
void latency_add(struct latency *l, int64_t us);

/* Sorts the samples, so that latency_percentile() may be asked. */
void latency_sort(struct latency *l);

/* The time in microseconds that `percent` of the sorted samples didn't exceed; 0 without any. */
uint32_t latency_percentile(const struct latency *l, unsigned percent);

#endif
