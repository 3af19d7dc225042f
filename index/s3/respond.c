#include "index/s3/respond.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

void respond_ids_make(struct respond_ids *ids, struct http_request *request)
{
    strcpy(ids->request, http_request_id(request));
    http_process_id(ids->host);
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
