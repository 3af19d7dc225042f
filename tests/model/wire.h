/* HTTP as a client of the index speaks it, over a connection that it keeps, and of its volumes. */
#ifndef MKV_TESTS_MODEL_WIRE_H
#define MKV_TESTS_MODEL_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/model/model.h"

#define WIRE_HEAD_MAX 16384

struct wire_answer {
    int status; /* 0: none came */
    char head[WIRE_HEAD_MAX + 1];
    char *body; /* MODEL_VALUE_MAX + WIRE_HEAD_MAX + 1 bytes */
    size_t n_body;
};

struct wire {
    int port;            /* of the index */
    int fd;              /* to it, or -1 */
    const char *headers; /* that its requests have besides, each with its CRLF, or NULL */
    struct wire_answer answer;
};

/* Asks the index; wire->answer.status is 0 when no answer came. */
void wire_ask(struct wire *wire, const char *method, const char *path, const char *value, size_t n,
              bool chunked);

/* GETs "http://ADDRESS:PORT/PATH" of a volume: the status, or 0. */
int wire_fetch(struct wire *wire, const char *url);

/* Ends the connection to the index; the next request makes one. */
void wire_hang_up(struct wire *wire);

/* The value of a header, up to its line's end, or NULL. */
const char *wire_header(const struct wire_answer *answer, const char *name);

/* For requests that are to fail: a connection of its own to the index, or -1, and bytes for it. */
int wire_dial(const struct wire *wire);
bool wire_send(int fd, const char *bytes, size_t n);

#endif
