/* What a GET's answer is made of, for those that have more to do before it (check_read.c). */
#ifndef MKV_API_GET_H
#define MKV_API_GET_H

#include "index/api/api.h"

/* A replica that can be read now, each as often as the others, and none of `tried`, a bit each;
 * -1 when there is none. */
int get_pick(struct api *api, const struct http_request *request, const struct record *record,
             unsigned tried);

/* Answers with where the replica is, if it can be read still. */
void get_respond_with(struct api *api, struct http_request *request, const struct key *key,
                      const struct record *record, const struct replica *replica);

/* Answers that there is none to be read. */
void get_respond_none(struct http_request *request);

#endif
