/* What clients have seen of one key that they share: operations, each with its start and its end.
 * Their answers must fit one order, in which each operation has its moment between the two: the key
 * is a register that a PUT sets, and UNLINK and DELETE change. What each operation says of the key
 * at its moment must hold: that it was absent, or had a certain value, or had not. */
#ifndef MKV_TESTS_MODEL_HISTORY_H
#define MKV_TESTS_MODEL_HISTORY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "tests/model/model.h"

enum history_effect { HISTORY_READS, HISTORY_PUTS, HISTORY_DELETES, HISTORY_UNLINKS };

/* What the key is allowed to be at the moment of an operation. */
#define HISTORY_ABSENT   (1U << ABSENT)
#define HISTORY_PRESENT  (1U << PRESENT)
#define HISTORY_UNLINKED (1U << UNLINKED)
#define HISTORY_GONE     (HISTORY_ABSENT | HISTORY_UNLINKED)
#define HISTORY_ANY      (HISTORY_GONE | HISTORY_PRESENT)

struct history_op {
    double start;
    double end;
    unsigned needs; /* HISTORY_... */
    enum history_effect effect;
    unsigned version; /* that a PUT makes it, or that a GET has seen; 0 of a GET: any */
    unsigned matches; /* the version that the key must have then, unless absent; 0: any */
    unsigned differs; /* the version that it must not have then; 0: none */
    bool maybe;       /* no answer came: it has happened by its end, or never does */
};

struct history {
    pthread_mutex_t mutex;
    struct history_op *ops;
    size_t n;
    size_t room;
};

void history_init(struct history *history);

/* Adds an operation; any thread may. */
void history_add(struct history *history, const struct history_op *op);

/* Whether there is such an order. Else prints the operation that fits none, and those around it. */
bool history_check(const struct history *history, const char *path);

#endif
