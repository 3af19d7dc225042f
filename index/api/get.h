/* What a GET's answer is made of, for those that have more to do before it (check_read.c). */
#ifndef MKV_API_GET_H
#define MKV_API_GET_H

#include "index/api/api.h"

#define GET_ETAG_MAX 40

/* Writes the strong ETag that a GET shows, with its quotes: the value's MD5, or, without one, what
 * else tells two values of a key apart. */
void get_etag(const struct record *record, char etag[GET_ETAG_MAX]);

/* The places, as bits, at which the front has failed for this request. */
unsigned get_tried(struct api *api, const struct http_request *request,
                   const struct record *record);

/* Answers with where that copy is, if it can be read still. */
void get_respond_with(struct api *api, struct http_request *request, const struct key *key,
                      const struct record *record, const struct place *place);

/* Answers that there is none to be read. */
void get_respond_none(struct http_request *request);

#endif
