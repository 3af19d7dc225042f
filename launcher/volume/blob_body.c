#include "launcher/volume/blob_body.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "launcher/volume/sync_path.h"

void blob_body_respond(struct http_request *http, int status, const char *text, const char *path)
{
    char line[SYNC_PATH_MAX + 128];
    int n = snprintf(line, sizeof(line), "%s%s%s\n", text, path != NULL ? ": /" : "",
                     path != NULL ? path : "");

    http_add_header(http, "Content-Type", "text/plain");
    http_respond(http, status, line, n < (int)sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

void blob_body_refuse(struct blob_body *body, int status, const char *text)
{
    struct http_request *http = body->http;

    body->http = NULL;
    buf_deinit(&body->bytes);
    body->owner->over(body);
    blob_body_respond(http, status, text, NULL);
}

static void refuse_line(struct blob_body *body, int rc)
{
    char text[64];

    snprintf(text, sizeof(text),
             rc == -EINVAL ? "line %zu is no blob's path" : "line %zu has no attribute to be set",
             body->lines.n + 1);
    blob_body_refuse(body, 400, text);
}

static size_t max_of(const struct blob_body *body)
{
    return body->owner->max > 0 ? body->owner->max : BLOB_BODY_MAX;
}

static void refuse_size(struct blob_body *body)
{
    char text[64];

    snprintf(text, sizeof(text), "the body is over %zu KiB", max_of(body) / 1024);
    blob_body_refuse(body, 413, text);
}

static void data_cb(struct http_request *http, const char *bytes, size_t len)
{
    struct blob_body *body = http_request_data(http);

    if (buf_size(&body->bytes) + len > max_of(body))
        refuse_size(body);
    else if (buf_append(&body->bytes, bytes, len) < 0)
        blob_body_refuse(body, 503, "out of memory");
}

static void make_lines(struct blob_body *body)
{
    int rc = blob_lines_parse(buf_bytes(&body->bytes), buf_size(&body->bytes), body->owner->form,
                              &body->lines);

    if (rc == -ENOMEM) {
        blob_body_refuse(body, 503, "out of memory");
    } else if (rc < 0) {
        refuse_line(body, rc);
    } else {
        buf_deinit(&body->bytes);
        body->is_whole = true;
        body->owner->whole(body);
    }
}

static void end_cb(struct http_request *http)
{
    struct blob_body *body = http_request_data(http);

    if (body->owner->bytes == NULL) {
        make_lines(body);
        return;
    }
    body->is_whole = true;
    body->owner->bytes(body);
}

static void closed_cb(struct http_request *http)
{
    struct blob_body *body = http_request_data(http);

    body->http = NULL;
    if (body->is_whole)
        return;
    buf_deinit(&body->bytes);
    body->owner->over(body);
}

void blob_body_read(struct blob_body *body, struct http_request *http,
                    const struct blob_body_owner *owner)
{
    static const struct http_body_reader reader = {
        .data = data_cb, .end = end_cb, .closed = closed_cb};

    *body = (struct blob_body){.http = http, .owner = owner};
    if (http_request_content_length(http) > (int64_t)max_of(body)) {
        refuse_size(body);
        return;
    }
    http_request_set_data(http, body);
    http_read_body(http, &reader);
}
