/* What a list is asked for: the query of ListObjects, ListObjectsV2, ListObjectVersions and
 * ListMultipartUploads (Amazon S3 API reference). */
#ifndef MKV_S3_LIST_PARAMETERS_H
#define MKV_S3_LIST_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>

#include "index/s3/bucket_walk.h"
#include "index/s3/error.h"
#include "index/s3/token.h"
#include "index/s3/upload_key.h"

#define LIST_KEYS_MAX 1000 /* entries of a page; who asks for more gets so many */

enum list_form { LIST_V1, LIST_V2, LIST_VERSIONS, LIST_UPLOADS };

/* A parameter, decoded. */
struct list_text {
    bool is_given; /* it may be empty all the same */
    size_t len;
    char bytes[BUCKET_WALK_TEXT_MAX + UPLOAD_TAIL]; /* the tail is of `after` alone */
};

struct list_parameters {
    enum list_form form;
    unsigned max_keys;
    bool encode_url;
    bool fetch_owner;
    struct list_text prefix;
    struct list_text delimiter;
    struct list_text marker;         /* of V2 start-after, of the last two key-marker */
    struct list_text version_marker; /* of versions; of uploads upload-id-marker */
    struct list_text after;          /* V2: what the token says; uploads: where they begin */
    size_t after_tail;               /* bucket_walk.h */
    size_t token_len;                /* V2 */
    bool has_token;
    char token[TOKEN_MAX];
};

/* Reads the `len` bytes of a query as http_request_query() gives them, NULL for none. S3_OK and
 * *parameters; or an error and *message, static text or NULL for the error's own, and *parameters
 * is undefined. Parameters that no list has are not looked at. */
enum s3_error list_parameters_read(const char *query, size_t len,
                                   struct list_parameters *parameters, const char **message);

/* What a walk is to give for them, uploads that are completed aside; the texts are borrowed from
 * *parameters. */
struct bucket_query list_parameters_query(const struct list_parameters *parameters,
                                          const char *bucket, size_t bucket_len);

#endif
