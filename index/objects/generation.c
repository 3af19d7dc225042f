#include "index/objects/generation.h"

#define TIME_MAX ((1ULL << 48) - 1)

/* What was forgotten may be of that second, too: the next one begins with the next. */
void generations_init(struct generations *g, uint64_t last)
{
    uint64_t time = (generation_time(last) / 1000 + 1) * 1000;

    *g = (struct generations){.last = last > 0 ? (time << 16) - 1 : 0};
}

uint64_t generation_make(struct generations *g, uint64_t known, uint64_t now)
{
    uint64_t time = now + g->ahead;
    uint64_t least = generation_time(g->last);
    uint64_t generation;

    if (known > 0 && (generation_time(known) / 1000 + 1) * 1000 > least)
        least = (generation_time(known) / 1000 + 1) * 1000;
    if (time < least) {
        g->ahead += least - time;
        time = least;
    }
    if (time > TIME_MAX)
        time = TIME_MAX;
    generation = time << 16;
    g->last = generation > g->last ? generation : g->last + 1;
    return g->last;
}
