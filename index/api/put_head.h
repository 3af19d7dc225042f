/* What can be said of a PUT before its body has come: whether it is refused, and what becomes of
 * the blobs that the key has had. */
#ifndef MKV_API_PUT_HEAD_H
#define MKV_API_PUT_HEAD_H

#include "index/api/api.h"

struct put_head {
    int64_t content_length; /* -1: chunked */
    bool check_md5;
    unsigned char md5[RECORD_MD5_SIZE]; /* what the client announced, with check_md5 */
    struct record unlinked;             /* the value that is replaced; n_replicas 0: none */
    struct record orphans;              /* the key's, as the store has them */
};

/* 0 and *head, or the status to refuse the request with, and *text. */
int put_head_read(struct api *api, struct http_request *request, const struct key *key,
                  struct put_head *head, const char **text);

#endif
