#include "tests/support/request_head.h"

#include <stdlib.h>
#include <string.h>

/* Appends some bytes and a NUL, and returns the offset of the first. */
static uint32_t keep(struct http_request *request, const char *bytes, size_t n)
{
    size_t at = buf_size(&request->head);

    if (buf_append(&request->head, bytes, n) < 0 || buf_append(&request->head, "", 1) < 0)
        abort();
    return (uint32_t)at;
}

void request_head_init(struct http_request *request, const char *target, const char *lines,
                       size_t n)
{
    const char *end = lines + n;

    memset(request, 0, sizeof(*request));
    request->target_len = strlen(target);
    keep(request, target, request->target_len);
    while (lines < end && request->n_headers < HTTP_HEADERS_MAX) {
        const char *newline = memchr(lines, '\n', (size_t)(end - lines));
        const char *stop = newline != NULL ? newline : end;
        const char *colon = memchr(lines, ':', (size_t)(stop - lines));

        if (colon != NULL)
            request->headers[request->n_headers++] = (struct http_header){
                .name = keep(request, lines, (size_t)(colon - lines)),
                .value = keep(request, colon + 1, (size_t)(stop - colon - 1)),
            };
        lines = stop + 1;
    }
}

void request_head_deinit(struct http_request *request)
{
    buf_deinit(&request->head);
}
