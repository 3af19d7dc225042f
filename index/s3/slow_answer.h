/* The answer of an operation that may take long: joining and copying at the volumes. When it isn't
 * known after some seconds it begins all the same, so that nobody on the way gives the client up:
 * status 200, the declaration of XML, a space every few seconds, and then the result or <Error>, as
 * Amazon's ("CompleteMultipartUpload", "CopyObject"). */
#ifndef MKV_S3_SLOW_ANSWER_H
#define MKV_S3_SLOW_ANSWER_H

#include "index/s3/call.h"

#define SLOW_ANSWER_INTERVAL 5000 /* ms */

/* The first member of an operation, which is the request's data. */
struct slow_answer {
    struct call call;                           /* `request` NULL once the client is gone */
    void (*closed)(struct slow_answer *answer); /* the client is gone; nothing is to be sent, and
                                                   slow_answer_end() is still to come */
    void (*free)(struct slow_answer *answer);   /* frees the operation */
    /* The rest is slow_answer.c's. */
    struct buf body;
    struct xml_out xml;
    uv_timer_t timer;
    bool is_streaming;
};

/* Prepares one. Frees nothing by itself until slow_answer_end(). The operation is the request's
 * data now. */
void slow_answer_init(struct slow_answer *answer, const struct call *call,
                      void (*closed)(struct slow_answer *answer),
                      void (*free_cb)(struct slow_answer *answer));

/* For http_body_reader.closed and http_request_hold(). */
void slow_answer_closed_cb(struct http_request *request);

/* The request was read: the time begins in which an answer is waited for. */
void slow_answer_wait(struct slow_answer *answer);

/* Where the result is to be written; without the declaration. */
struct xml_out *slow_answer_xml(struct slow_answer *answer);

/* Each ends it: sends what was written, with 200; an error, as call_fail(); or nothing, for a
 * client that is gone. `free` fires from the loop. The first two do the third's work when it is. */
void slow_answer_send(struct slow_answer *answer);
void slow_answer_fail(struct slow_answer *answer, enum s3_error error, const char *message);
void slow_answer_end(struct slow_answer *answer);

#endif
