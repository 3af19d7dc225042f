/* Happy path: an answer lines up for a thread; work_cb() makes a piece, worked_cb() sends it when
 * the client wants it, or keeps it until then; and it lines up again for the next one.
 *
 * Failures: a client that goes takes its answer out of the line, or leaves it to the thread that is
 * at work on it (GONE). A source that fails ends its answer with a line that says so. */
#include "launcher/volume/pieces.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "launcher/volume/blob_body.h"

/* What an answer waits for. */
enum state {
    FIRST,  /* a piece; the head hasn't been sent */
    AHEAD,  /* a piece; the client has enough for now */
    WANTED, /* a piece; the client waits for it, too */
    READY,  /* the client; a piece is there */
    GONE,   /* the thread; the client is gone */
};

struct answer {
    uv_work_t work;
    struct pieces *pieces;
    struct http_request *http;
    const struct pieces_source *how;
    void *source;
    struct piece piece;
    enum state state;
    bool in_line;             /* for a thread */
    uint64_t sent_at;         /* loop time of the last byte */
    TAILQ_ENTRY(answer) link; /* in the line */
};

struct pieces {
    uv_loop_t *loop;
    unsigned places; /* that are free */
    unsigned places_all;
    unsigned threads; /* that are free */
    TAILQ_HEAD(answers, answer) line;
    void (*stop_cb)(void *arg);
    void *stop_arg;
};

int pieces_new(uv_loop_t *loop, unsigned places, unsigned threads, struct pieces **pieces)
{
    struct pieces *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return UV_ENOMEM;
    p->loop = loop;
    p->places = p->places_all = places;
    p->threads = threads;
    TAILQ_INIT(&p->line);
    *pieces = p;
    return 0;
}

static void end_if_stopped(struct pieces *p)
{
    void (*cb)(void *) = p->stop_cb;
    void *arg = p->stop_arg;

    if (cb == NULL || p->places < p->places_all)
        return;
    free(p);
    cb(arg);
}

void pieces_stop(struct pieces *pieces, void (*cb)(void *arg), void *arg)
{
    pieces->stop_cb = cb;
    pieces->stop_arg = arg;
    end_if_stopped(pieces);
}

static void answer_free(struct answer *a)
{
    struct pieces *p = a->pieces;

    if (a->in_line)
        TAILQ_REMOVE(&p->line, a, link);
    buf_deinit(&a->piece.bytes);
    a->how->free(a->source);
    free(a);
    p->places++;
}

/* --- The threads ----------------------------------------------------------------------------- */

static void work_cb(uv_work_t *work)
{
    struct answer *a = work->data;

    a->how->make(a->source, &a->piece, uv_hrtime() + PIECE_MS * 1000000ULL);
}

static void worked_cb(uv_work_t *work, int status);

static void begin_some(struct pieces *p)
{
    struct answer *a;

    while (p->threads > 0 && (a = TAILQ_FIRST(&p->line)) != NULL) {
        int rc;

        TAILQ_REMOVE(&p->line, a, link);
        a->in_line = false;
        p->threads--;
        a->work.data = a;
        rc = uv_queue_work(p->loop, &a->work, work_cb, worked_cb);
        assert(rc == 0);
        (void)rc;
    }
}

static void line_up(struct answer *a)
{
    a->in_line = true;
    TAILQ_INSERT_TAIL(&a->pieces->line, a, link);
    begin_some(a->pieces);
}

/* --- The loop -------------------------------------------------------------------------------- */

static void send_bytes(struct answer *a, const char *bytes, size_t n)
{
    http_write(a->http, bytes, n);
    a->sent_at = uv_now(a->pieces->loop);
}

static void send_failure(struct answer *a)
{
    send_bytes(a, "error\t", 6);
    send_bytes(a, a->piece.failure, strlen(a->piece.failure));
    send_bytes(a, "\n", 1);
}

/* Sends a piece, and goes on or ends. */
static void deliver(struct answer *a)
{
    struct http_request *http = a->http;
    bool last = a->piece.last || a->piece.failure[0] != '\0';

    send_bytes(a, buf_bytes(&a->piece.bytes), buf_size(&a->piece.bytes));
    buf_clear(&a->piece.bytes);
    if (a->piece.failure[0] != '\0')
        send_failure(a);
    if (last) {
        answer_free(a);
        http_finish(http);
        return;
    }
    a->state = AHEAD;
    line_up(a);
}

static void more_cb(struct http_request *http)
{
    struct answer *a = http_request_data(http);

    if (a->state == READY)
        deliver(a);
    else if (a->state == AHEAD)
        a->state = WANTED;
}

static void closed_cb(struct http_request *http)
{
    struct answer *a = http_request_data(http);

    if (a->in_line || a->state == READY)
        answer_free(a);
    else
        a->state = GONE;
}

static bool has_nothing(const struct answer *a)
{
    return buf_size(&a->piece.bytes) == 0 && !a->piece.last && a->piece.failure[0] == '\0';
}

static bool is_quiet(const struct answer *a)
{
    return uv_now(a->pieces->loop) - a->sent_at >= PIECES_ALIVE;
}

static bool send_head(struct answer *a)
{
    static const struct http_writer writer = {.more = more_cb, .closed = closed_cb};

    http_add_header(a->http, "Content-Type", "text/plain");
    if (http_respond_start(a->http, 200, &writer))
        return true;
    answer_free(a);
    return false;
}

/* The head waits for the first bytes, since a failure before them is a 500; but not for long. */
static void begin_sending(struct answer *a)
{
    struct http_request *http = a->http;

    if (has_nothing(a) && !is_quiet(a)) {
        line_up(a);
    } else if (a->piece.failure[0] != '\0' && buf_size(&a->piece.bytes) == 0) {
        blob_body_respond(http, 500, a->piece.failure, NULL);
        answer_free(a);
    } else if (send_head(a)) {
        a->state = has_nothing(a) ? AHEAD : READY;
        if (a->state == AHEAD)
            line_up(a);
    }
}

static void worked_cb(uv_work_t *work, int status)
{
    struct answer *a = work->data;
    struct pieces *p = a->pieces;

    (void)status;
    p->threads++;
    if (a->state == GONE) {
        answer_free(a);
    } else if (a->state == FIRST) {
        begin_sending(a);
    } else if (has_nothing(a)) {
        if (a->state == WANTED && is_quiet(a)) {
            a->state = AHEAD;
            send_bytes(a, "\n", 1);
        }
        line_up(a);
    } else if (a->state == WANTED) {
        deliver(a);
    } else {
        a->state = READY;
    }
    begin_some(p);
    end_if_stopped(p);
}

void pieces_answer(struct pieces *pieces, struct http_request *http, bool at_once,
                   const struct pieces_source *how, void *source)
{
    struct answer *a = pieces->places > 0 ? calloc(1, sizeof(*a)) : NULL;

    if (a == NULL) {
        how->free(source);
        http_respond_text(http, 503, pieces->places > 0 ? "out of memory\n" : "too many at once\n");
        return;
    }
    pieces->places--;
    *a = (struct answer){
        .pieces = pieces, .http = http, .how = how, .source = source, .state = FIRST};
    a->sent_at = uv_now(pieces->loop);
    http_request_set_data(http, a);
    if (!at_once) {
        http_request_hold(http, closed_cb);
        line_up(a);
    } else if (send_head(a)) {
        a->state = AHEAD;
        line_up(a);
    }
}
