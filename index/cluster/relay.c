/* Happy path: both requests start at once; get_write_cb() fills the window and put_read_cb()
 * empties it; the one that has to wait for the other is woken at the end of the loop's turn, since
 * both run within libcurl. The last bytes of the source are held back until its length and MD5 are
 * known to be right. When both have ended, so has the relay. For an empty value there is nothing to
 * be read.
 *
 * Failures: whichever fails first cancels the other. A PUT that is cut short leaves nothing. */
#include "index/cluster/relay.h"

#include <string.h>

#define WINDOW_HIGH (256 * 1024) /* bytes that pause the source ... */
#define WINDOW_LOW  (64 * 1024)  /* ... until the target has taken all but so many */

static void end_if_done(struct relay *r)
{
    if (r->get_running || r->put_running)
        return;
    if (r->pace != NULL)
        pace_leave(r->pace, &r->paced);
    buf_deinit(&r->window);
    r->done(r, r->rc, r->status);
}

/* Whether the source, come to its end, is what was announced. */
static bool is_right(struct relay *r)
{
    unsigned char md5[MD5_SIZE];

    if (r->received != r->size)
        return false;
    if (!r->md5.is_begun)
        return true;
    md5_finish(&r->md5, md5);
    return memcmp(md5, r->wanted_md5, MD5_SIZE) == 0;
}

static bool get_write_cb(struct transfer *get, const char *bytes, size_t n)
{
    struct relay *r = get->data;

    if (r->bad)
        return true;
    if (buf_size(&r->window) >= WINDOW_HIGH)
        return false;
    if (r->pace != NULL && !pace_take(r->pace, &r->paced, n))
        return false;
    r->received += n;
    if (r->md5.is_begun)
        md5_add(&r->md5, bytes, n);
    if (r->received > r->size || (r->received == r->size && !is_right(r)) ||
        buf_append(&r->window, bytes, n) < 0)
        r->bad = true;
    transfer_wake_soon(&r->put);
    return true;
}

static void paced_cb(struct paced *paced)
{
    struct relay *r = paced->data;

    transfer_wake_soon(&r->get);
}

static ssize_t put_read_cb(struct transfer *put, char *bytes, size_t n)
{
    struct relay *r = put->data;
    size_t size = buf_size(&r->window);

    if (r->bad)
        return UV_EILSEQ;
    if (size == 0)
        return r->received == r->size ? 0 : UV_EAGAIN;
    if (n > size)
        n = size;
    memcpy(bytes, buf_bytes(&r->window), n);
    buf_consume(&r->window, n);
    if (size - n <= WINDOW_LOW)
        transfer_wake_soon(&r->get);
    return (ssize_t)n;
}

static void settle(struct relay *r, int rc, int status, bool source)
{
    if (r->rc != 0 || r->status != 0)
        return;
    r->rc = rc;
    r->status = status;
    r->source_failed = source;
}

static void get_done_cb(struct transfer *get, int rc, int status)
{
    struct relay *r = get->data;

    r->get_running = false;
    if (rc == 0 && status == 200 && (r->received < r->size || !volume_has_answered(r->from, get)))
        r->bad = true;
    if (r->bad) {
        settle(r, UV_EILSEQ, 0, true);
        transfer_cancel(&r->put);
    } else if (rc < 0 || status != 200) {
        settle(r, rc, status, true);
        transfer_cancel(&r->put);
    }
    end_if_done(r);
}

static void put_done_cb(struct transfer *put, int rc, int status)
{
    struct relay *r = put->data;

    r->put_running = false;
    r->may_hold = transfer_may_have_stored(put, rc, status);
    if (r->bad)
        settle(r, UV_EILSEQ, 0, true);
    else
        settle(r, rc, status, false);
    if (r->get_running)
        transfer_cancel(&r->get);
    end_if_done(r);
}

int relay_start(struct relay *r, struct transfers *transfers, const struct relay_options *o,
                relay_done_cb done)
{
    void *data = r->data;
    int rc;

    memset(r, 0, sizeof(*r));
    r->data = data;
    r->done = done;
    r->from = o->from;
    r->to = o->to;
    r->size = o->size;
    r->get.data = r->put.data = r;
    r->get.volume = o->from;
    r->put.volume = o->to;
    r->get.until = r->put.until = o->until;
    r->pace = o->yields ? transfers_pace(transfers) : NULL;
    r->paced = (struct paced){.data = r, .wake = paced_cb};
    if (o->md5 != NULL) {
        memcpy(r->wanted_md5, o->md5, MD5_SIZE);
        md5_begin(&r->md5);
    }
    rc = transfer_put(transfers, &r->put, o->to_url, (int64_t)o->size, o->time, put_read_cb,
                      put_done_cb);
    if (rc < 0)
        return rc;
    r->put_running = true;
    if (r->size == 0)
        return 0;
    rc = transfer_get(transfers, &r->get, o->from_url, 0, get_write_cb, get_done_cb);
    if (rc == 0) {
        r->get_running = true;
    } else { /* the PUT's end tells it */
        settle(r, rc, 0, true);
        transfer_cancel(&r->put);
    }
    return 0;
}

void relay_cancel(struct relay *r)
{
    settle(r, UV_ECANCELED, 0, false);
    if (r->get_running)
        transfer_cancel(&r->get);
    if (r->put_running)
        transfer_cancel(&r->put);
}
