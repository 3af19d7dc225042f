/* Generations: what makes a blob's name one that no other blob of its key ever had. 48 bits are ms
 * since 1970 and 16 bits a count, so that they are in the order of their making, and tell when.
 *
 * The time is a clock of its own, which never goes back: where the machine's does, or where a
 * generation must be later than another one, it goes ahead of that. */
#ifndef MKV_OBJECTS_GENERATION_H
#define MKV_OBJECTS_GENERATION_H

#include <stdint.h>

struct generations {
    uint64_t last;  /* made, or seen in the store */
    uint64_t ahead; /* ms that the clock is ahead of the machine's */
};

/* Those to come follow `last`. */
void generations_init(struct generations *generations, uint64_t last);

/* A new one: greater than all before, and with a second, which nginx makes its ETag of, after that
 * of `known`, the greatest that is still known of the key (0: none). `now`: clock_now_ms(). */
uint64_t generation_make(struct generations *generations, uint64_t known, uint64_t now);

/* ms since 1970. */
static inline uint64_t generation_time(uint64_t generation)
{
    return generation >> 16;
}

#endif
