#include "index/s3/slow_answer.h"

void slow_answer_init(struct slow_answer *a, const struct call *call,
                      void (*closed)(struct slow_answer *answer),
                      void (*free_cb)(struct slow_answer *answer))
{
    a->call = *call;
    a->call.auth = NULL;
    a->closed = closed;
    a->free = free_cb;
    a->body = (struct buf){.data = NULL};
    a->xml = (struct xml_out){.buf = &a->body};
    a->is_streaming = false;
    uv_timer_init(call->s3->objects->loop, &a->timer);
    a->timer.data = a;
    http_request_set_data(call->request, a);
}

/* --- The end --------------------------------------------------------------------------------- */

static void timer_closed_cb(uv_handle_t *handle)
{
    struct slow_answer *a = handle->data;

    buf_deinit(&a->body);
    objects_end(a->call.s3->objects);
    a->free(a);
}

/* It counts as an operation until its memory is gone. */
void slow_answer_end(struct slow_answer *a)
{
    a->call.request = NULL;
    objects_begin(a->call.s3->objects);
    uv_close((uv_handle_t *)&a->timer, timer_closed_cb);
}

static void lose(struct slow_answer *a)
{
    a->call.request = NULL;
    uv_timer_stop(&a->timer);
    a->closed(a);
}

void slow_answer_closed_cb(struct http_request *request)
{
    lose(http_request_data(request));
}

/* --- Waiting --------------------------------------------------------------------------------- */

static void more_cb(struct http_request *request)
{
    (void)request; /* it comes by the timer, or with the end */
}

static const struct http_writer writer = {
    .more = more_cb, .closed = slow_answer_closed_cb, .is_small = true};

static void begin(struct slow_answer *a)
{
    struct http_request *request = a->call.request;

    http_add_header(request, "Content-Type", "application/xml");
    if (!http_respond_start(request, 200, &writer)) {
        lose(a);
        return;
    }
    a->is_streaming = true;
    xml_out_declare(&a->xml);
    http_write(request, buf_bytes(&a->body), buf_size(&a->body));
    buf_clear(&a->body);
}

static void timer_cb(uv_timer_t *timer)
{
    struct slow_answer *a = timer->data;

    if (a->is_streaming)
        http_write(a->call.request, " ", 1);
    else
        begin(a);
}

void slow_answer_wait(struct slow_answer *a)
{
    uv_timer_start(&a->timer, timer_cb, SLOW_ANSWER_INTERVAL, SLOW_ANSWER_INTERVAL);
}

/* --- Sending --------------------------------------------------------------------------------- */

struct xml_out *slow_answer_xml(struct slow_answer *a)
{
    if (!a->is_streaming)
        xml_out_declare(&a->xml);
    return &a->xml;
}

void slow_answer_send(struct slow_answer *a)
{
    struct http_request *request = a->call.request;

    slow_answer_end(a);
    if (request == NULL) {
        return;
    } else if (!a->is_streaming) {
        respond_xml(request, 200, &a->xml);
    } else if (a->xml.failed) {
        http_fail(request);
    } else {
        http_write(request, buf_bytes(&a->body), buf_size(&a->body));
        http_finish(request);
    }
}

void slow_answer_fail(struct slow_answer *a, enum s3_error error, const char *message)
{
    const struct call call = a->call;
    const char *path;
    size_t len;

    if (call.request == NULL || !a->is_streaming) {
        slow_answer_end(a);
        if (call.request != NULL)
            call_fail(&call, error, message);
        return;
    }
    path = http_request_path(call.request, &len);
    respond_write_error(&a->xml, &call.ids, error, message, path, len);
    slow_answer_send(a);
}
