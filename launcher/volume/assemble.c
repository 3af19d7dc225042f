/* Happy path: the body is read and makes lines; a thread takes a turn of steps at a time, between
 * which other files have theirs; the last one says "done".
 *
 * Failures: all sources are checked first, so that those that are missing are named together and
 * before a byte is copied. What comes to nothing leaves a temporary file to be removed; after a
 * crash, the next start does it (nginx/prefix.h). */
#include "launcher/volume/assemble.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/disk_error.h"
#include "index/base/hex.h"
#include "launcher/volume/assembly.h"
#include "launcher/volume/blob_body.h"
#include "launcher/volume/pieces.h"

#define PLACES    32 /* requests at once, */
#define THREADS   2  /* and the threads that they share */
#define BODY_MAX  (16UL << 20)
#define BYTES_MAX (64UL << 20) /* of all their bodies */

struct assembler {
    uv_loop_t *loop;
    const struct volume_dir *dir;
    struct pieces *pieces;
    size_t bytes; /* of bodies */
    void (*stop_cb)(void *arg);
    void *stop_arg;
};

struct request {
    struct blob_body body; /* first, so that it is its request */
    struct assembler *assembler;
    size_t bytes; /* of the body */
    struct assembly_lines lines;
    struct assembly assembly;
};

static void request_free(void *source)
{
    struct request *r = source;

    r->assembler->bytes -= r->bytes;
    assembly_deinit(&r->assembly, r->assembler->loop);
    free(r->lines.sources);
    buf_deinit(&r->body.bytes);
    free(r);
}

/* --- The thread ------------------------------------------------------------------------------ */

static int say_done(const struct request *r, struct buf *out)
{
    char hex[2 * MD5_SIZE + 1];

    if (!r->lines.wants_md5)
        return buf_append_string(out, "done\n");
    hex_write(r->assembly.hash, MD5_SIZE, hex);
    return buf_append_format(out, "done\t%s\n", hex);
}

/* Says what is wrong with the source at `at`. */
static int say_bad(const struct request *r, size_t at, int rc, struct buf *out)
{
    return buf_append_format(out, "/%s\t%s\n", r->lines.sources[at].path,
                             rc == -ENOENT ? "missing" : "differs");
}

/* Takes a step. 0 to go on, 1 at the end, or -errno when there is nothing more to say than that. */
static int take_step(struct request *r, struct buf *out)
{
    struct assembly *a = &r->assembly;
    enum assembly_state state = a->state;
    size_t at = a->at;
    int rc = assembly_step(a);
    const char *end = NULL;

    if ((rc == -ENOENT || rc == -EMEDIUMTYPE) && state <= ASSEMBLY_COPYING &&
        state != ASSEMBLY_MAKING) {
        rc = say_bad(r, at, rc, out);
        end = state == ASSEMBLY_COPYING ? "none\n" : NULL;
    } else if (rc < 0 && disk_is_full(-rc)) {
        rc = 0;
        end = "full\tthe disk is full\n";
    }
    if (rc < 0)
        return rc;
    if (a->state == ASSEMBLY_DONE)
        return say_done(r, out) < 0 ? -ENOMEM : 1;
    if (state == ASSEMBLY_CHECKING && a->state == ASSEMBLY_MAKING && a->n_bad > 0)
        end = "none\n";
    if (end == NULL)
        return 0;
    return buf_append_string(out, end) < 0 ? -ENOMEM : 1;
}

static void make_piece(void *source, struct piece *piece, uint64_t until)
{
    struct request *r = source;
    int rc = 0;

    while (rc == 0 && buf_size(&piece->bytes) < PIECE_BYTES && uv_hrtime() < until)
        rc = take_step(r, &piece->bytes);
    if (rc > 0)
        piece->last = true;
    else if (rc < 0)
        snprintf(piece->failure, sizeof(piece->failure), "%s", strerror(-rc));
}

/* --- The loop -------------------------------------------------------------------------------- */

static void refuse_lines(struct blob_body *body, int rc, size_t line)
{
    char text[64];

    if (rc == -ENOMEM) {
        blob_body_refuse(body, 503, "out of memory");
        return;
    }
    if (rc == -EMSGSIZE)
        snprintf(text, sizeof(text), "there are over %d sources", ASSEMBLY_SOURCES_MAX);
    else if (line == 0)
        snprintf(text, sizeof(text), "the sources don't add up to the file");
    else
        snprintf(text, sizeof(text), "line %zu makes no sense", line);
    blob_body_refuse(body, 400, text);
}

static void bytes_cb(struct blob_body *body)
{
    static const struct pieces_source how = {.make = make_piece, .free = request_free};
    struct request *r = (struct request *)body;
    size_t line;
    int rc = assembly_lines_parse(body->bytes.data + body->bytes.head, buf_size(&body->bytes),
                                  &r->lines, &line);

    if (rc < 0) {
        refuse_lines(body, rc, line);
        return;
    }
    r->assembly.dir = r->assembler->dir;
    r->assembly.lines = &r->lines;
    pieces_answer(r->assembler->pieces, body->http, true, &how, r);
}

static void over_cb(struct blob_body *body)
{
    request_free(body);
}

void assembler_post(struct assembler *assembler, struct http_request *http)
{
    static const struct blob_body_owner owner = {
        .max = BODY_MAX, .bytes = bytes_cb, .over = over_cb};
    int64_t length = http_request_content_length(http);
    struct request *r;

    if (length < 0) {
        blob_body_respond(http, 411, "the body's length is wanted", NULL);
        return;
    }
    if ((uint64_t)length <= BODY_MAX && assembler->bytes + (size_t)length > BYTES_MAX) {
        http_respond_text(http, 503, "too much at once\n");
        return;
    }
    r = calloc(1, sizeof(*r));
    if (r == NULL) {
        http_respond_text(http, 503, "out of memory\n");
        return;
    }
    r->assembler = assembler;
    r->bytes = (uint64_t)length <= BODY_MAX ? (size_t)length : 0;
    assembler->bytes += r->bytes;
    blob_body_read(&r->body, http, &owner);
}

int assembler_new(uv_loop_t *loop, const struct volume_dir *dir, struct assembler **assembler)
{
    struct assembler *a = calloc(1, sizeof(*a));
    int rc = a == NULL ? UV_ENOMEM : pieces_new(loop, PLACES, THREADS, &a->pieces);

    if (rc < 0) {
        free(a);
        return rc;
    }
    a->loop = loop;
    a->dir = dir;
    *assembler = a;
    return 0;
}

static void stopped_cb(void *arg)
{
    struct assembler *a = arg;
    void (*cb)(void *) = a->stop_cb;
    void *cb_arg = a->stop_arg;

    free(a);
    cb(cb_arg);
}

void assembler_stop(struct assembler *assembler, void (*cb)(void *arg), void *arg)
{
    assembler->stop_cb = cb;
    assembler->stop_arg = arg;
    pieces_stop(assembler->pieces, stopped_cb, assembler);
}
