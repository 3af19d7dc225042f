#include "index/base/generation.h"

#include "index/base/clock.h"

#define TIME_MAX  ((1ULL << 48) - 1)
#define CLOCK_END 95617584000000ULL /* ms since 1970, the year 5000: see below */
#define STEP_MAX  60000             /* ms: by more at once, a clock was set */

static uint64_t next_second(uint64_t time)
{
    return (time / 1000 + 1) * 1000;
}

/* The second of `last` is over: a blob of that second may have been forgotten. */
void generations_init(struct generations *g, uint64_t last, unsigned number, unsigned numbers)
{
    g->number = number;
    g->numbers = numbers;
    g->next = last > 0 ? next_second(generation_time(last)) << 16 : 1;
    g->seen = UINT64_MAX; /* nothing: whatever comes has gone back from there */
}

/* A clock that is set forward while generations are ahead of it must not take them further: one
 * that goes to and fro would take them to the end of their bits. And what it shows of a far year,
 * by which they would be beyond the 63 bits that a database has for them for good, is as good as
 * nothing. */
uint64_t generations_now(struct generations *g, uint64_t now)
{
    uint64_t passed;
    uint64_t time;

    if (now >= CLOCK_END)
        now = 0;
    if (now < g->seen || now - g->seen > STEP_MAX)
        g->seen = now;
    passed = (now - g->seen) / 2;
    g->seen += 2 * passed; /* an odd ms is left for the next time */
    time = generation_time(g->next) + passed;
    if (time < now)
        time = now;
    if (time > TIME_MAX)
        time = TIME_MAX;
    if (time << 16 > g->next)
        g->next = time << 16;
    return generation_time(g->next);
}

uint64_t generation_make(struct generations *g, uint64_t now)
{
    uint64_t made;

    generations_now(g, now);
    made = g->next + (g->number - g->next) % g->numbers;
    g->next = made + 1;
    return made;
}

bool blob_time_counts(uint64_t time)
{
    return time < CLOCK_MS_MAX && next_second(time) < CLOCK_MS_MAX;
}

uint64_t blob_time_make(uint64_t generation, uint64_t latest)
{
    uint64_t time = generation_time(generation);

    return latest > 0 && time < next_second(latest) ? next_second(latest) : time;
}
