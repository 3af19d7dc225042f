/* The families of the index are few, and rendered at once; those of volumes are as long as there
 * are volumes, and go in pieces, as the client takes them. */
#include "index/admin/metrics.h"

#include <errno.h>
#include <stdlib.h>

struct scrape {
    struct metrics metrics;
    struct buf out;
};

/* Some volumes of a family; one at least, so that a family's head is never without one, and comes
 * once. */
static void fill_volumes(struct metrics *m, struct exposition *e, size_t bound)
{
    struct volumes *volumes = places_volumes(m->admin->objects->places);
    size_t n = volumes_count(volumes);
    size_t i = m->family - 1;

    metrics_begin_volumes(i, m->volume > 0, e);
    do {
        if (m->volume < n)
            metrics_of_volume(i, volumes_at(volumes, m->volume++), e);
    } while (m->volume < n && buf_size(e->out) < bound && !e->failed);
    if (m->volume < n)
        return;
    m->volume = 0;
    m->family++;
}

int metrics_fill(struct metrics *m, struct buf *out, size_t bound)
{
    struct exposition e = {.out = out};

    while (m->family <= METRICS_VOLUME_FAMILIES && buf_size(out) < bound && !e.failed) {
        if (m->family > 0) {
            fill_volumes(m, &e, bound);
        } else {
            metrics_of_index(m->admin, &e);
            m->family++;
        }
    }
    if (e.failed)
        return -ENOMEM;
    return m->family <= METRICS_VOLUME_FAMILIES;
}

static void scrape_free(struct scrape *s)
{
    buf_deinit(&s->out);
    free(s);
}

static void more_cb(struct http_request *request)
{
    struct scrape *s = http_request_data(request);
    int rc;

    buf_clear(&s->out);
    rc = metrics_fill(&s->metrics, &s->out, HTTP_STREAM_BOUND);
    if (rc >= 0)
        http_write(request, buf_bytes(&s->out), buf_size(&s->out));
    if (rc > 0)
        return;
    scrape_free(s);
    if (rc == 0)
        http_finish(request);
    else
        http_fail(request);
}

static void closed_cb(struct http_request *request)
{
    scrape_free(http_request_data(request));
}

void metrics_respond(const struct admin *admin, struct http_request *request)
{
    static const struct http_writer writer = {.more = more_cb, .closed = closed_cb};
    struct scrape *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        http_respond_text(request, 503, "out of memory\n");
        return;
    }
    s->metrics.admin = admin;
    http_request_set_data(request, s);
    http_add_header(request, "Content-Type", EXPOSITION_TYPE);
    if (!http_respond_start(request, 200, &writer))
        scrape_free(s);
}
