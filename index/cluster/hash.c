/* Happy path: hash_start() adds to `waiting` and sends a request if one is free; a line of the
 * answer comes for each of its files, in their order; at its end all are told, and the next request
 * is sent.
 *
 * Failures: an answer that breaks off, or isn't 200, has failed for the files that had no line yet.
 * A request all of whose files were cancelled is broken off. */
#include "index/cluster/hash_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define REQUESTS  2
#define FILES_MAX 1024
#define BODY_MAX  (60 * 1024)          /* a volume takes 64 KiB */
#define BYTES_MAX ((uint64_t)64 << 20) /* that a request has read, unless one file is longer */

STAILQ_HEAD(hash_queue, hash);

struct hash_request {
    struct hasher *hasher;
    bool running;
    struct transfer transfer;
    char *body;
    struct hash *files[FILES_MAX]; /* in the order of the body's lines */
    unsigned n_wanted;             /* that weren't cancelled */
    struct hash_answer answer;     /* about the first answer.n of them */
};

struct hasher {
    struct volume *volume;
    struct transfers *transfers;
    struct hash_queue waiting;
    struct hash_request requests[REQUESTS];
};

struct hasher *hasher_new(struct volume *volume)
{
    struct hasher *h = calloc(1, sizeof(*h));

    if (h == NULL)
        return NULL;
    h->volume = volume;
    STAILQ_INIT(&h->waiting);
    for (unsigned i = 0; i < REQUESTS; i++)
        h->requests[i].hasher = h;
    return h;
}

void hasher_free(struct hasher *h)
{
    assert(h == NULL || STAILQ_EMPTY(&h->waiting));
    for (unsigned i = 0; i < REQUESTS && h != NULL; i++)
        assert(!h->requests[i].running);
    free(h);
}

/* --- Requests -------------------------------------------------------------------------------- */

static bool write_cb(struct transfer *transfer, const char *bytes, size_t n)
{
    struct hash_request *r = transfer->data;

    hash_answer_add(&r->answer, bytes, n);
    return true;
}

static void tell(struct hash *hash, int rc)
{
    free(hash->line);
    hash->line = NULL;
    hash->done(hash, rc);
}

/* Those that have no line fail with rc. */
static void end_request(struct hash_request *r, int rc)
{
    for (unsigned i = 0; i < r->answer.n; i++)
        tell(r->files[i], r->files[i]->is_found ? 0 : rc);
    hash_answer_deinit(&r->answer);
    r->running = false;
}

static void drop_canceled(struct hasher *h)
{
    struct hash_queue all = STAILQ_HEAD_INITIALIZER(all);
    struct hash *hash;

    STAILQ_CONCAT(&all, &h->waiting);
    while ((hash = STAILQ_FIRST(&all)) != NULL) {
        STAILQ_REMOVE_HEAD(&all, link);
        if (hash->canceled)
            tell(hash, UV_ECANCELED);
        else
            STAILQ_INSERT_TAIL(&h->waiting, hash, link);
    }
}

/* Takes as many of those that wait as fit, and makes their lines the body. */
static void fill_request(struct hasher *h, struct hash_request *r)
{
    struct hash *hash;
    uint64_t bytes = 0;
    size_t used = 0;

    r->answer = (struct hash_answer){.files = r->files};
    while ((hash = STAILQ_FIRST(&h->waiting)) != NULL && r->answer.n < FILES_MAX) {
        size_t n = strlen(hash->line);

        if (r->answer.n > 0 && (used + n >= BODY_MAX || bytes + hash->bytes > BYTES_MAX))
            break;
        STAILQ_REMOVE_HEAD(&h->waiting, link);
        memcpy(r->body + used, hash->line, n + 1);
        used += n;
        bytes += hash->bytes;
        hash->request = r;
        r->files[r->answer.n++] = hash;
    }
    r->n_wanted = r->answer.n;
}

static void send_waiting(struct hasher *h);

/* It was another disk that has answered. */
static void distrust(struct hash_request *r)
{
    r->answer.lines.is_bad = true;
    for (unsigned i = 0; i < r->answer.n; i++)
        r->files[i]->is_found = false;
}

/* Why files have no line, though the volume has answered. Nginx without mkv knows no such path. */
static int reason(const struct hash_request *r, int status)
{
    if (status == 404 || status == 405)
        return UV_ENOTSUP;
    return status == 503 ? UV_EBUSY : r->answer.lines.is_bad ? UV_EPROTO : UV_EREMOTEIO;
}

static void answered_cb(struct transfer *transfer, int rc, int status)
{
    struct hash_request *r = transfer->data;
    struct hasher *h = r->hasher;

    volume_report(h->volume, rc, status);
    if (rc == 0 && !volume_has_answered(h->volume, transfer))
        distrust(r);
    if (rc == 0)
        rc = reason(r, status);
    free(r->body);
    r->body = NULL;
    end_request(r, rc);
    drop_canceled(h);
    send_waiting(h);
}

/* 0, or negative, and whatever it has taken is the caller's to end. */
static int start_request(struct hasher *h, struct hash_request *r)
{
    char url[PLACEMENT_URL_MAX];
    int rc;

    r->body = malloc(BODY_MAX + PLACEMENT_FULL_PATH_MAX);
    if (r->body == NULL)
        return UV_ENOMEM;
    fill_request(h, r);
    placement_url(h->volume->name, NULL, "/_mkv/hash", url);
    r->transfer.data = r;
    r->transfer.volume = h->volume;
    r->running = true;
    rc = transfer_post(h->transfers, &r->transfer, url, r->body, 0, write_cb, answered_cb);
    if (rc < 0) {
        free(r->body);
        r->body = NULL;
    }
    return rc;
}

static void fail_waiting(struct hasher *h, int rc)
{
    struct hash_queue all = STAILQ_HEAD_INITIALIZER(all);
    struct hash *hash;

    STAILQ_CONCAT(&all, &h->waiting);
    while ((hash = STAILQ_FIRST(&all)) != NULL) {
        STAILQ_REMOVE_HEAD(&all, link);
        tell(hash, rc);
    }
}

/* From the loop: those of a request that can't be sent have failed, and those that would have been
 * of it. */
static void send_waiting(struct hasher *h)
{
    for (unsigned i = 0; i < REQUESTS; i++) {
        struct hash_request *r = &h->requests[i];
        int rc;

        if (r->running || STAILQ_EMPTY(&h->waiting))
            continue;
        rc = start_request(h, r);
        if (rc < 0 && r->answer.n == 0)
            fail_waiting(h, rc);
        if (rc < 0)
            end_request(r, rc);
    }
}

/* --- What the caller asks for ---------------------------------------------------------------- */

static struct hash_request *find_free(struct hasher *h)
{
    for (unsigned i = 0; i < REQUESTS; i++) {
        if (!h->requests[i].running)
            return &h->requests[i];
    }
    return NULL;
}

/* The line of a request's body; NULL when memory is short. */
static char *make_line(const struct place *place, const char *path)
{
    char full[PLACEMENT_FULL_PATH_MAX + 1];

    placement_full_path(place, path, full);
    strcat(full, "\n");
    return strdup(full);
}

int hash_start(struct hash *hash, struct transfers *transfers, struct volume *volume,
               const struct place *place, const char *path, hash_done_cb done)
{
    struct hasher *h = volume->hasher;
    struct hash_request *r = find_free(h);
    int rc;

    hash->done = done;
    hash->volume = volume;
    hash->request = NULL;
    hash->is_found = hash->canceled = false;
    hash->line = make_line(place, path);
    if (hash->line == NULL)
        return UV_ENOMEM;
    h->transfers = transfers;
    STAILQ_INSERT_TAIL(&h->waiting, hash, link);
    if (r == NULL)
        return 0;
    rc = start_request(h, r); /* of this one alone: with one free, none waited */
    if (rc < 0) {
        if (hash->request == NULL)
            STAILQ_REMOVE(&h->waiting, hash, hash, link);
        free(hash->line);
        hash_answer_deinit(&r->answer);
        r->running = false;
    }
    return rc;
}

void hash_cancel(struct hash *hash)
{
    struct hash_request *r = hash->request;

    if (hash->canceled)
        return;
    hash->canceled = true;
    if (r != NULL && --r->n_wanted == 0)
        transfer_cancel(&r->transfer);
}
