/* Generations and times of blobs.
 *
 * A generation makes a blob's name one that no other blob ever had: 48 bits are ms since 1970 and
 * 16 bits a count, so that generations are in the order of their making, and tell when. Where
 * several indexes make some, each makes those that are its number modulo how many numbers there
 * are, so that no two make the same.
 *
 * A blob's time is the mtime of its file, and nginx makes its ETag of the second of that and the
 * size. So each blob of a key has a second that no other blob of that key had. Where values replace
 * each other faster, the times of that one key run ahead of the clock; generations never do. */
#ifndef MKV_BASE_GENERATION_H
#define MKV_BASE_GENERATION_H

#include <stdbool.h>
#include <stdint.h>

/* A clock that never goes back: where the machine's does, this one goes on from where it was, at
 * half the pace, until the machine's has caught up. It stands still while that is set forward, and
 * goes by no clock that shows the year 5000 or later. */
struct generations {
    uint64_t next; /* the least that may be made */
    uint64_t seen; /* of the machine's clock, ms */
    unsigned number;
    unsigned numbers;
};

/* Those to come are greater than `last`, of a later second, and `number` modulo `numbers`, which is
 * a power of two, at most 256. */
void generations_init(struct generations *generations, uint64_t last, unsigned number,
                      unsigned numbers);

/* ms since 1970 on that clock; all generations to come are of that time or a later one. `now`:
 * clock_now_ms(). */
uint64_t generations_now(struct generations *generations, uint64_t now);

/* A new one: greater than all before. */
uint64_t generation_make(struct generations *generations, uint64_t now);

/* ms since 1970. */
static inline uint64_t generation_time(uint64_t generation)
{
    return generation >> 16;
}

/* Whether a time has a next second that can be written as a date. Others, which only a dump that
 * was restored can have brought, are as good as none. */
bool blob_time_counts(uint64_t time);

/* The time of a blob of this generation: that of its making, or else the second after `latest`, the
 * latest time that counts of what is known of its key (0: nothing). */
uint64_t blob_time_make(uint64_t generation, uint64_t latest);

#endif
