#include "index/s3/xml_stream.h"

void xml_stream_init(struct xml_stream *stream, int (*go_on)(void *arg), void (*free_cb)(void *arg),
                     void *arg)
{
    *stream = (struct xml_stream){.go_on = go_on, .free = free_cb, .arg = arg};
    stream->xml.buf = &stream->out;
}

static void stream_free(struct xml_stream *stream)
{
    buf_deinit(&stream->out);
    stream->free(stream->arg);
}

static void end_turn(struct xml_stream *stream, int rc)
{
    struct http_request *request = stream->request;

    if (rc < 0 || stream->xml.failed) {
        http_fail(request);
        stream_free(stream);
        return;
    }
    /* White space between turns that found nothing: only a write brings the next turn. */
    if (buf_size(&stream->out) == 0)
        http_write(request, "\n", 1);
    else
        http_write(request, buf_bytes(&stream->out), buf_size(&stream->out));
    buf_deinit(&stream->out); /* many may wait for their turn */
    if (rc == XML_STREAM_END) {
        stream_free(stream);
        http_finish(request);
    }
}

static void more_cb(struct http_request *request)
{
    struct xml_stream *stream = http_request_data(request);
    int rc = stream->go_on(stream->arg);

    if (rc != XML_STREAM_LATER)
        end_turn(stream, rc);
}

/* One that found nothing to write is followed by the next one at once. */
void xml_stream_turn(struct xml_stream *stream, int rc)
{
    if (rc == XML_STREAM_MORE && buf_size(&stream->out) == 0 && !stream->xml.failed)
        rc = stream->go_on(stream->arg);
    if (rc != XML_STREAM_LATER)
        end_turn(stream, rc);
}

static void closed_cb(struct http_request *request)
{
    stream_free(http_request_data(request));
}

static const struct http_writer writer = {.more = more_cb, .closed = closed_cb, .waits = true};

void xml_stream_start(struct xml_stream *stream, struct http_request *request,
                      const struct respond_ids *ids)
{
    if (stream->xml.failed) {
        respond_error(request, ids, S3_SERVICE_UNAVAILABLE, NULL);
        stream_free(stream);
        return;
    }
    stream->request = request;
    http_request_set_data(request, stream);
    http_add_header(request, "Content-Type", "application/xml");
    if (!http_respond_start(request, 200, &writer))
        stream_free(stream);
}
