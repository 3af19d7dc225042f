/* A replica is asked for the blob before a client is sent there: with --check-reads, or after the
 * front has met with one that failed. */
#ifndef MKV_API_CHECK_READ_H
#define MKV_API_CHECK_READ_H

#include "index/api/api.h"

/* Answers, now or later; counts in the objects' n_running until then. */
void check_read(struct api *api, struct http_request *request, const struct key *key,
                const struct record *record);

#endif
