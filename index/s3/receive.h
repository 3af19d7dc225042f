/* Receives a value that is a request's body: PutObject and UploadPart. */
#ifndef MKV_S3_RECEIVE_H
#define MKV_S3_RECEIVE_H

#include "index/s3/body.h"
#include "index/s3/call.h"

/* What the key must have, NULL for no record: 0, or what write_conditions_error_of() knows. */
typedef int (*receive_condition_cb)(const struct call *call, const struct record *record);

struct receive_options {
    const struct key *key; /* what it is the value of; copied */
    bool keeps_headers;    /* the metadata has what the request's headers say */
    enum checksum_kind
        kind; /* the checksum that the value is to have, whether the request announces
                 it or not; CHECKSUM_NONE: what it announces, if anything */
    receive_condition_cb condition; /* NULL: no matter */
    bool is_part;                   /* of an upload, which must be there still once it is stored:
                                       stored_part.h. Not with a condition */
};

/* Receives and stores the body, and answers, now or later. */
void receive(const struct call *call, const struct receive_options *options);

#endif
