/* PUT: what its head says, and then the value, from the client's connection to a write (objects).
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "index/api/auth.h"
#include "index/api/write_head.h"
#include "index/objects/write.h"

struct put {
    struct http_request *request;
    int refusal; /* status that its preconditions refuse it with, and `why`; 0: they hold */
    const char *why;
    struct write *write;
    struct payload payload; /* what the body is to be, by its sender's signature */
};

static void put_free(struct put *put)
{
    payload_deinit(&put->payload);
    free(put);
}

/* --- The body -------------------------------------------------------------------------------- */

/* The write is over. */
static void answer(struct put *put, int status, const char *text)
{
    struct http_request *request = put->request;

    put_free(put);
    http_respond_text(request, status, text);
}

/* The body isn't what was signed, so that nothing of it may be stored. */
static void refuse_body(struct put *put, enum access_result result)
{
    char text[UPLOAD_TEXT_MAX];

    write_forget(put->write);
    snprintf(text, sizeof(text), "%s\n", access_result_text(result));
    answer(put, auth_status(result), text);
}

static void refuse(struct put *put, int rc, const char *text)
{
    if (put->refusal != 0)
        answer(put, put->refusal, put->why);
    else
        answer(put, api_status(rc), text);
}

static void written_cb(void *arg, int rc, const char *text, const struct record *record)
{
    (void)record;
    if (rc == 0)
        answer(arg, 201, text);
    else
        refuse(arg, rc, text);
}

static void drained_cb(void *arg)
{
    struct put *put = arg;

    http_resume_body(put->request);
}

static void data_cb(struct http_request *request, const char *bytes, size_t n)
{
    struct put *put = http_request_data(request);
    const char *at = bytes;
    enum access_result result = payload_next(&put->payload, &at, bytes + n, &bytes, &n);
    char text[UPLOAD_TEXT_MAX];
    int rc;

    if (result != ACCESS_OK) {
        refuse_body(put, result);
        return;
    }
    rc = write_data(put->write, bytes, n, text);
    if (rc < 0)
        answer(put, api_status(rc), text);
    else if (rc == 0)
        http_pause_body(request);
}

static void end_cb(struct http_request *request)
{
    struct put *put = http_request_data(request);
    enum access_result result = payload_end(&put->payload);
    char text[UPLOAD_TEXT_MAX];
    int rc;

    if (result != ACCESS_OK) {
        refuse_body(put, result);
        return;
    }
    rc = write_end(put->write, text);
    if (rc < 0)
        answer(put, api_status(rc), text);
}

static void closed_cb(struct http_request *request)
{
    struct put *put = http_request_data(request);

    write_forget(put->write);
    put_free(put);
}

static const struct http_body_reader reader = {
    .data = data_cb,
    .end = end_cb,
    .closed = closed_cb,
};

/* --- The head -------------------------------------------------------------------------------- */

/* RFC 1864: the base64 of 16 bytes. False if `text` isn't that. */
static bool decode_md5(const char *text, unsigned char md5[MD5_SIZE])
{
    unsigned char bytes[18]; /* EVP_DecodeBlock() writes what the padding stands for, too */

    if (strlen(text) != 24 || text[22] != '=' || text[23] != '=' || strcspn(text, "=") != 22 ||
        EVP_DecodeBlock(bytes, (const unsigned char *)text, 24) != 18)
        return false;
    memcpy(md5, bytes, MD5_SIZE);
    return true;
}

/* 0, or the status to refuse with. Two of them would be one too many. */
static int read_md5(struct http_request *request, unsigned char md5[MD5_SIZE], bool *given,
                    const char **text)
{
    const char *name;
    const char *value;

    *given = false;
    for (unsigned i = 0; (value = http_request_header_at(request, i, &name)) != NULL; i++) {
        if (strcasecmp(name, "Content-MD5") != 0)
            continue;
        if (*given || !decode_md5(value, md5)) {
            *text = "Content-MD5 is not the base64 of an MD5\n";
            return 400;
        }
        *given = true;
    }
    return 0;
}

static bool has_conditions(const struct http_request *request)
{
    const char *name;

    for (unsigned i = 0; http_request_header_at(request, i, &name) != NULL; i++) {
        if (strncasecmp(name, "If-", 3) == 0)
            return true;
    }
    return false;
}

static int condition_cb(void *arg, const struct record *record)
{
    struct put *put = arg;

    put->refusal = write_head_conditions(put->request, record, &put->why);
    return put->refusal != 0 ? UV_ECANCELED : 0;
}

/* The key can have a value. */
static void started_cb(void *arg)
{
    struct put *put = arg;

    http_read_body(put->request, &reader);
}

/* As write_start(). */
static int start(struct api *api, struct put *put, const struct key *key, const unsigned char *md5,
                 char text[UPLOAD_TEXT_MAX])
{
    const struct write_options options = {
        .request_id = http_request_id(put->request),
        .size = http_request_content_length(put->request),
        .md5 = md5,
        .condition = has_conditions(put->request) ? condition_cb : NULL,
        .started = started_cb,
        .drained = drained_cb,
        .done = written_cb,
        .arg = put,
    };

    return write_start(api->objects, key, &options, &put->write, text);
}

void api_put(struct api *api, struct http_request *request, const struct key *key,
             const struct access_auth *auth)
{
    unsigned char md5[MD5_SIZE];
    char why[UPLOAD_TEXT_MAX];
    const char *text = why;
    struct put *put;
    bool has_md5;
    int status = read_md5(request, md5, &has_md5, &text);
    int rc;

    if (status != 0) {
        http_respond_text(request, status, text);
        return;
    }
    put = malloc(sizeof(*put));
    if (put == NULL) {
        http_respond_text(request, 503, "out of memory\n");
        return;
    }
    put->request = request;
    put->refusal = 0;
    status = auth_begin_body(request, auth, &put->payload, &text);
    if (status != 0) {
        free(put);
        http_respond_text(request, status, text);
        return;
    }
    rc = start(api, put, key, has_md5 ? md5 : NULL, why);
    if (rc < 0) {
        refuse(put, rc, why);
        return;
    }
    http_request_set_data(request, put);
    http_request_wait(request, closed_cb);
}
