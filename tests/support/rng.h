/* Pseudo-random numbers that a seed repeats: SplitMix64 (Steele, Lea, Flood, 2014). */
#ifndef MKV_TESTS_SUPPORT_RNG_H
#define MKV_TESTS_SUPPORT_RNG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *rng)
{
    uint64_t z = rng->state += 0x9e3779b97f4a7c15U;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

/* From 0 to n - 1. */
static inline unsigned rng_below(struct rng *rng, uint64_t n)
{
    return (unsigned)(rng_next(rng) % n);
}

static inline bool rng_one_in(struct rng *rng, unsigned n)
{
    return rng_below(rng, n) == 0;
}

/* The number in the environment variable `name`; without it one of this moment. */
static inline uint64_t rng_seed(const char *name)
{
    const char *text = getenv(name);
    struct timespec now;

    if (text != NULL)
        return strtoull(text, NULL, 0);
    clock_gettime(CLOCK_REALTIME, &now);
    return ((uint64_t)now.tv_nsec << 16 ^ (uint64_t)now.tv_sec ^ (uint64_t)getpid()) & 0xffffffff;
}

#endif
