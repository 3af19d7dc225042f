/* The rounds of a run, `clients` of them in flight at once, on one libcurl multi handle.
 *
 *     PUT 201 ──▶ GET 200, all bytes ──▶ DELETE 204 ──▶ GET 404 ──▶ the next key
 *
 * A wrong answer is printed with its key and ends its round; the others go on. */
#ifndef MKV_THRASHER_ROUNDS_H
#define MKV_THRASHER_ROUNDS_H

#include "scripts/thrasher/latency.h"

#include <stdbool.h>
#include <stdint.h>

enum step { STEP_PUT, STEP_GET, STEP_DELETE, STEP_GONE, N_STEPS };

struct rounds_options {
    const char *url;     /* where the index is, "http://host:port" */
    unsigned clients;    /* rounds in flight at once, at least 1 */
    unsigned count;      /* rounds in all, at least 1 */
    uint64_t size_min;   /* bytes of the smallest value */
    uint64_t size_max;   /* bytes of the largest one, >= size_min */
    unsigned timeout_ms; /* deadline of one request */
    bool keep;           /* leave the keys there: no DELETE */
};

struct rounds_result {
    unsigned completed;              /* rounds that ended as they should */
    unsigned failures;               /* wrong answers */
    double seconds;                  /* from the first request to the last answer */
    struct latency latency[N_STEPS]; /* of the right answers */
};

/* What a step is called in messages. */
const char *step_name(enum step step);

/* Runs all rounds and fills `result`, which rounds_result_deinit() frees. After 20 wrong answers it
 * starts no more rounds. 0 whatever the answers were; -ENOMEM when it could not start. */
int rounds_run(const struct rounds_options *options, struct rounds_result *result);

void rounds_result_deinit(struct rounds_result *result);

#endif
