/* What a server has answered, counted by what was asked for and by status.
 *
 * A handler says of what kind its request is, by a number that this room knows nothing of; before
 * that it is of kind 0. Counting takes some nanoseconds: it finds a place in an array. */
#ifndef MKV_HTTP_METER_H
#define MKV_HTTP_METER_H

#include "index/base/exposition.h"
#include "index/base/histogram.h"
#include "index/http/http.h"

#define METER_KINDS        40
#define METER_STATUS_FIRST 100
#define METER_STATUSES     500
#define METER_GONE         499 /* counted for a client that went before it had its answer */

struct meter_kind {
    uint64_t statuses[METER_STATUSES]; /* requests; the first is METER_STATUS_FIRST */
    struct histogram latencies; /* from the end of a head to the end of its answer: to when it
                                   is given to the kernel, or waits for the client to read */
    uint64_t bytes_in;          /* of bodies that were asked for */
    uint64_t bytes_out;         /* of answers' bodies */
};

/* Some 160 KiB, of which what is never counted stays untouched. All zero at first. */
struct meter {
    struct meter_kind kinds[METER_KINDS];
};

/* Counts what the server answers from now on; borrowed until its stop. */
void http_server_set_meter(struct http_server *server, struct meter *meter);

/* Says that the request is of that kind, less than METER_KINDS; the last one said counts. */
void http_request_set_kind(struct http_request *request, unsigned kind);

/* How metrics call the kinds. */
struct meter_names {
    const char *prefix;                /* of the families' names: "mkv" */
    const char *(*api)(unsigned kind); /* the label `api`; NULL: there is none */
    const char *(*operation)(unsigned kind);
    unsigned n; /* kinds */
};

/* Appends the families PREFIX_requests_total (by operation and code), PREFIX_request_seconds,
 * PREFIX_received_bytes_total and PREFIX_sent_bytes_total, of kinds that have had a request. */
void meter_expose(const struct meter *meter, const struct meter_names *names, struct exposition *e);

#endif
