/* The body of a request that names blobs: read whole, up to a bound, and made lines. Embedded in
 * whatever the request becomes.
 *
 *     blob_body_read ──▶ whole: the owner answers, now or later
 *                   └──▶ over: it was no good and was answered, or the client is gone */
#ifndef MKV_LAUNCHER_BLOB_BODY_H
#define MKV_LAUNCHER_BLOB_BODY_H

#include <stdbool.h>

#include "index/base/buf.h"
#include "index/http/http.h"
#include "launcher/volume/blob_lines.h"

#define BLOB_BODY_MAX 65536

struct blob_body;

struct blob_body_owner {
    size_t max; /* bytes; 0: BLOB_BODY_MAX */
    enum blob_lines_form form;
    /* In place of `form` and `whole`, for lines of another form; `bytes` has the body, and is the
     * owner's to free from then on. Either blob_body_refuse(), or as `whole`. NULL: there is none.
     */
    void (*bytes)(struct blob_body *body);
    /* `lines` are there, and the request, unless NULL, is the owner's to answer. Not inside
     * blob_body_read(), unless the body is there already or is empty. */
    void (*whole)(struct blob_body *body);
    /* Nothing came of it; the owner frees. Never after `whole`, or `bytes` that didn't refuse: then
     * a client that goes leaves `http` NULL, and the owner, who is still at work, finds it so. */
    void (*over)(struct blob_body *body);
};

struct blob_body {
    struct http_request *http; /* NULL when the client is gone, or has its answer */
    struct blob_lines lines;   /* from `whole` on; lines.paths is the owner's to free then */
    const struct blob_body_owner *owner;
    struct buf bytes;
    bool is_whole;
};

/* Reads the body of a request, which may be answered inside this call, and `over` fire. `owner` is
 * borrowed. Sets the request's data to `body`. */
void blob_body_read(struct blob_body *body, struct http_request *http,
                    const struct blob_body_owner *owner);

/* Answers with a line of text, after `over`. Only from `bytes`. */
void blob_body_refuse(struct blob_body *body, int status, const char *text);

/* Answers a request with a line of text, and ": /PATH" after it where `path` isn't NULL. */
void blob_body_respond(struct http_request *http, int status, const char *text, const char *path);

#endif
