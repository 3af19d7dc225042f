#include "index/s3/respond.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "index/base/clock.h"

/* The ids of one process are consecutive numbers, spread over 64 bits by an odd factor, from a
 * start that chance gives; the clock where chance isn't to be had. */
static uint64_t random_number(void)
{
    uint64_t number;

    if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != sizeof(number))
        number = clock_now_ms() * 0xd1342543de82ef95;
    return number;
}

void respond_ids_make(struct respond_ids *ids)
{
    static uint64_t host;
    static uint64_t next;

    if (host == 0) {
        host = random_number() | 1;
        next = random_number();
    }
    next++;
    snprintf(ids->request, sizeof(ids->request), "%016" PRIX64, next * 0x9e3779b97f4a7c15);
    snprintf(ids->host, sizeof(ids->host), "%016" PRIX64, host);
}

void respond_add_ids(struct http_request *request, const struct respond_ids *ids)
{
    http_add_header(request, "x-amz-request-id", ids->request);
    http_add_header(request, "x-amz-id-2", ids->host);
}

void respond_xml(struct http_request *request, int status, const struct xml_out *out)
{
    if (out->failed) {
        http_respond(request, 500, "", 0);
        return;
    }
    http_add_header(request, "Content-Type", "application/xml");
    http_respond(request, status, buf_bytes(out->buf), buf_size(out->buf));
}

void respond_write_error(struct xml_out *out, const struct respond_ids *ids, enum s3_error error,
                         const char *message, const char *resource, size_t resource_len)
{
    const struct s3_error_form *form = s3_error_form(error);

    xml_out_open(out, "Error");
    xml_out_string(out, "Code", form->code);
    xml_out_string(out, "Message", message != NULL ? message : form->message);
    xml_out_text(out, "Resource", resource, resource_len);
    xml_out_string(out, "RequestId", ids->request);
    xml_out_string(out, "HostId", ids->host);
    xml_out_close(out, "Error");
}

void respond_error(struct http_request *request, const struct respond_ids *ids, enum s3_error error,
                   const char *message)
{
    struct buf body = {.data = NULL};
    struct xml_out out = {.buf = &body};
    int status = s3_error_form(error)->status;
    const char *path;
    size_t len;

    if (status == 503)
        http_add_header(request, "Retry-After", "1");
    if (status == 304 || http_request_method(request) == HTTP_METHOD_HEAD) {
        http_respond(request, status, "", 0);
        return;
    }
    path = http_request_path(request, &len);
    xml_out_declare(&out);
    respond_write_error(&out, ids, error, message, path, len);
    respond_xml(request, status, &out);
    buf_deinit(&body);
}
