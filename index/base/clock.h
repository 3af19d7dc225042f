/* The time of day, for what is told and kept; what only waits asks the loop. */
#ifndef MKV_BASE_CLOCK_H
#define MKV_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* The last instant of the year 9999, in milliseconds since 1970: dates are written with four digits
 * for the year. */
#define CLOCK_MS_MAX 253402300799999U

/* Milliseconds since 1970; of a clock that is set to some time before, 0, and CLOCK_MS_MAX of one
 * beyond that. */
static inline uint64_t clock_ms(const struct timespec *time)
{
    if (time->tv_sec < 0)
        return 0;
    if ((uint64_t)time->tv_sec > CLOCK_MS_MAX / 1000)
        return CLOCK_MS_MAX;
    return (uint64_t)time->tv_sec * 1000 + (uint64_t)time->tv_nsec / 1000000;
}

/* What the clock shows, as clock_ms() has it. */
static inline uint64_t clock_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return clock_ms(&now);
}

#endif
