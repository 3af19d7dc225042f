/* Holds back log lines that repeat: one of a kind is let through in a minute, and the others are
 * counted. Two lines are of a kind when they differ in nothing but what stands in double quotes
 * (paths, requests) and, if asked for, in their numbers. */
#ifndef MKV_BASE_LOG_LIMIT_H
#define MKV_BASE_LOG_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_LIMIT_KINDS    32    /* that are remembered; the oldest gives way to a new one */
#define LOG_LIMIT_INTERVAL 60000 /* ms */

struct log_limit {
    struct {
        uint64_t hash; /* of the kind */
        uint64_t at;   /* when the last one was let through, ms */
        unsigned held; /* since then; */
        bool used;     /* is this entry in use? */
    } kinds[LOG_LIMIT_KINDS];
};

/* Whether the line may be written at the time `now` (ms, of a clock that never goes back), and then
 * *held: how many of its kind were held back since the last one that was let through. A struct of
 * zeros has seen no line yet. */
bool log_limit_passes(struct log_limit *limit, const char *line, size_t len, bool numbers_differ,
                      uint64_t now, unsigned *held);

#endif
