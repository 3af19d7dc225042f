#include "index/http/meter.h"

#include <assert.h>

#include "index/http/internal.h"

void http_server_set_meter(struct http_server *server, struct meter *meter)
{
    server->meter = meter;
}

void http_request_set_kind(struct http_request *request, unsigned kind)
{
    assert(kind < METER_KINDS);
    request->kind = kind;
}

void meter_begin(struct http_request *r)
{
    r->kind = 0;
    r->begun = 0;
    r->body_read = 0;
    r->body_written = 0;
    r->status = METER_GONE;
    r->is_counted = false;
}

void meter_end(struct http_conn *conn)
{
    struct http_request *r = &conn->request;
    struct meter *meter = conn->server->meter;
    unsigned status = (unsigned)r->status - METER_STATUS_FIRST;
    struct meter_kind *kind;

    if (meter == NULL || r->is_counted)
        return;
    r->is_counted = true;
    kind = &meter->kinds[r->kind];
    kind->statuses[status < METER_STATUSES ? status : METER_GONE - METER_STATUS_FIRST]++;
    histogram_add(&kind->latencies, r->begun != 0 ? uv_hrtime() - r->begun : 0);
    kind->bytes_in += r->body_read;
    kind->bytes_out += r->body_written;
}
