/* PUT: streams a value to its volume and then records where it is.
 *
 * Happy path: the head is checked (everything that can be refused before the body is) and the key
 * held. With the first bytes of the body the volume is chosen, and the store is told that the blob
 * will be an orphan there: should mkv die from now on, it knows what to reclaim. That done, a
 * transfer to the volume starts; bytes wait in `window` until the volume takes them, and the client
 * is paused while the window is full. With the body's end its MD5 is known and checked; the last of
 * it goes out, the volume answers 201 and brings the blob to disk, one commit puts the record and
 * forgets the orphan, and the client has its 201.
 *
 * Failures: the client vanishes before the end (the transfer is cancelled, and the volume, which
 * saw half a request, stores nothing); the body is empty (411) or its MD5 is not the one announced
 * (400), both found out before the volume has its end; the volume can't be reached, stalls, breaks
 * off or refuses (503, 502, 507); the record can't be put (503, 507). Where the volume may have the
 * blob all the same, it is told to delete it, and the orphan is forgotten if it did, with the key
 * still held. */
#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "index/api/operation.h"
#include "index/api/put_head.h"
#include "index/api/removal.h"
#include "index/base/buf.h"
#include "index/base/log.h"

#define WINDOW_HIGH (256 * 1024) /* bytes that pause the client ... */
#define WINDOW_LOW  (64 * 1024)  /* ... until the volume has taken all but so many */

/* Where a PUT waits, and for whom. */
enum put_state {
    PUT_RECEIVING,  /* the client: no byte of the body yet, nothing at the volume */
    PUT_ANNOUNCING, /* the store, which is to know the orphan-to-be; the client goes on */
    PUT_STREAMING,  /* the client and the volume */
    PUT_FINISHING,  /* the volume: it has, or will be given, the rest */
    PUT_SYNCING,    /* the volume, which brings the blob to disk */
    PUT_COMMITTING, /* the store */
    PUT_ABORTING,   /* the end of an announcement or of a cancelled transfer */
    PUT_CLEANING,   /* the volume, which is to delete the blob; answered */
    PUT_FORGETTING, /* the store, which is to forget the orphan; answered */
    PUT_ENDED,
    PUT_STATES
};

static const bool legal_moves[PUT_STATES][PUT_STATES] = {
    [PUT_RECEIVING] = {[PUT_ANNOUNCING] = true, [PUT_ENDED] = true},
    [PUT_ANNOUNCING] = {[PUT_STREAMING] = true,
                        [PUT_FINISHING] = true,
                        [PUT_ABORTING] = true,
                        [PUT_FORGETTING] = true,
                        [PUT_ENDED] = true},
    [PUT_STREAMING] = {[PUT_FINISHING] = true,
                       [PUT_ABORTING] = true,
                       [PUT_CLEANING] = true,
                       [PUT_FORGETTING] = true},
    [PUT_FINISHING] = {[PUT_SYNCING] = true,
                       [PUT_COMMITTING] = true,
                       [PUT_CLEANING] = true,
                       [PUT_FORGETTING] = true},
    [PUT_SYNCING] = {[PUT_COMMITTING] = true, [PUT_CLEANING] = true},
    [PUT_COMMITTING] = {[PUT_CLEANING] = true, [PUT_ENDED] = true},
    [PUT_ABORTING] = {[PUT_CLEANING] = true, [PUT_FORGETTING] = true, [PUT_ENDED] = true},
    [PUT_CLEANING] = {[PUT_FORGETTING] = true, [PUT_ENDED] = true},
    [PUT_FORGETTING] = {[PUT_ENDED] = true},
};

struct put_op {
    struct operation base;
    enum put_state state;
    struct put_head head;
    struct record record;
    /* Blobs of this key that it doesn't name: */
    struct record announced; /* until it is put */
    struct record orphans;   /* once it is */
    EVP_MD_CTX *md5;         /* NULL when nobody wants to know */
    struct buf window;       /* received, not yet taken by the transfer */
    bool paused;             /* the client is */
    bool whole;              /* the body has come to its end */
    struct transfer transfer;
    char sync_body[API_URL_MAX]; /* the blob's path at the volume, a line */
    struct removal removal;
};

static void set_state(struct put_op *op, enum put_state state)
{
    assert(legal_moves[op->state][state]);
    op->state = state;
}

/* Answers, unless the client has its answer or is gone. May run the client's next request. */
static void answer(struct http_request *request, int status, const char *text)
{
    if (request != NULL)
        api_respond_text(request, status, text);
}

static void put_end(struct put_op *op, int status, const char *text)
{
    set_state(op, PUT_ENDED);
    EVP_MD_CTX_free(op->md5);
    buf_deinit(&op->window);
    answer(operation_end(&op->base), status, text);
}

/* --- Failing --------------------------------------------------------------------------------- */

static void forgotten_cb(struct store_commit *commit, int rc)
{
    (void)rc; /* what wasn't forgotten is reclaimed later, in vain */
    put_end(commit->data, 0, "");
}

/* Answers, and takes `left` for the key's orphans. The client doesn't wait for that. */
static void forget(struct put_op *op, const struct record *left, int status, const char *text)
{
    struct store_change change = orphans_change(&op->base.key, left);
    struct http_request *request = op->base.request;

    set_state(op, PUT_FORGETTING);
    op->base.commit.data = op;
    if (store_commit(op->base.api->store, &op->base.commit, &change, 1, forgotten_cb) < 0) {
        put_end(op, status, text);
        return;
    }
    op->base.request = NULL;
    answer(request, status, text);
}

static void removed_cb(struct removal *removal)
{
    struct put_op *op = removal->data;
    struct record left = removal->left;

    if (left.n_replicas == op->announced.n_replicas)
        put_end(op, 0, "");
    else
        forget(op, &left, 0, "");
}

/* The volume may have the blob: it must not stay, since the key is as it was before. The client
 * doesn't wait for that. */
static void clean_up(struct put_op *op, int status, const char *text)
{
    struct http_request *request = op->base.request;

    set_state(op, PUT_CLEANING);
    op->removal.data = op;
    if (op->announced.n_replicas == 0 || /* it lies where the unlinked value's was */
        removal_start(&op->removal, op->base.api, &op->base.key, &op->announced, removed_cb) < 0) {
        put_end(op, status, text);
        return;
    }
    op->base.request = NULL;
    answer(request, status, text);
}

/* Breaks off what goes on, and answers. */
static void put_abort(struct put_op *op, int status, const char *text)
{
    struct http_request *request = op->base.request;

    if (op->state == PUT_RECEIVING) {
        put_end(op, status, text);
        return;
    }
    if (op->state != PUT_ANNOUNCING)
        transfer_cancel(&op->transfer);
    set_state(op, PUT_ABORTING);
    op->base.request = NULL;
    answer(request, status, text);
}

#define FAILURE_MAX (API_VOLUME_MAX + 64)

/* Says what went wrong at the volume, to the log and in `text`, and returns the status for it. */
static int describe_failure(struct put_op *op, int rc, int status, char text[FAILURE_MAX])
{
    char volume[API_VOLUME_MAX];

    if (!api_volume_text(op->base.api, &op->record.replicas[0], volume))
        volume[0] = '\0';
    if (rc < 0)
        snprintf(text, FAILURE_MAX, "volume %s: %s\n", volume, uv_strerror(rc));
    else
        snprintf(text, FAILURE_MAX, "volume %s answered %d\n", volume, status);
    log_warn("a PUT failed: %.*s", (int)strcspn(text, "\n"), text);
    if (rc < 0)
        return 503;
    return status == 507 ? 507 : 502;
}

/* --- The volume's side ----------------------------------------------------------------------- */

static void recorded_cb(struct store_commit *commit, int rc)
{
    struct put_op *op = commit->data;

    if (rc < 0)
        clean_up(op, api_store_status(rc), "the index can't be changed\n");
    else
        put_end(op, 201, "");
}

static void record_it(struct put_op *op)
{
    struct store_change changes[] = {
        {STORE_KEYS, op->base.key.bytes, op->base.key.len, &op->record},
        orphans_change(&op->base.key, &op->orphans),
    };
    int rc;

    set_state(op, PUT_COMMITTING);
    rc = store_commit(op->base.api->store, &op->base.commit, changes, 2, recorded_cb);
    if (rc < 0)
        clean_up(op, api_store_status(rc), "the index can't be changed\n");
}

/* The volume has the blob, but a power cut might take it away. */
static void synced_cb(struct transfer *transfer, int rc, int status)
{
    struct put_op *op = transfer->data;
    char text[FAILURE_MAX] = "";
    int answer_status;

    if (api_volume_succeeded(rc, status)) {
        record_it(op);
        return;
    }
    if (rc == 0 && (status == 404 || status == 405))
        log_error("a volume doesn't answer POST /_mkv/sync: is it run by mkv volume? (mkv index "
                  "--no-sync does without)");
    answer_status = describe_failure(op, rc, status, text);
    clean_up(op, answer_status, text);
}

static void sync_it(struct put_op *op)
{
    char url[API_URL_MAX];
    const char *path;

    set_state(op, PUT_SYNCING);
    if (!api_replica_url(op->base.api, &op->record.replicas[0], &op->base.key, url)) {
        clean_up(op, 500, "");
        return;
    }
    path = strchr(url + strlen("http://"), '/');
    snprintf(op->sync_body, sizeof(op->sync_body), "%s\n", path);
    strcpy(url + (path - url), "/_mkv/sync");
    if (transfer_post(op->base.api->transfers, &op->transfer, url, op->sync_body, synced_cb) < 0)
        clean_up(op, 503, "the volume can't be asked to sync\n");
}

static void transfer_done(struct transfer *transfer, int rc, int status)
{
    struct put_op *op = transfer->data;
    bool stored = api_volume_succeeded(rc, status);
    char text[FAILURE_MAX] = "";
    int answer_status = 0;

    if (stored && op->state == PUT_FINISHING) {
        if (op->base.api->sync)
            sync_it(op);
        else
            record_it(op);
        return;
    }
    if (op->state != PUT_ABORTING)
        answer_status = describe_failure(op, rc, status, text);
    if (stored || (rc < 0 && transfer_body_sent(transfer)))
        clean_up(op, answer_status, text);
    else
        forget(op, &op->head.orphans, answer_status, text);
}

static ssize_t read_window(struct transfer *transfer, char *bytes, size_t n)
{
    struct put_op *op = transfer->data;
    size_t size = buf_size(&op->window);

    if (size == 0)
        return op->state == PUT_FINISHING ? 0 : UV_EAGAIN;
    if (n > size)
        n = size;
    memcpy(bytes, buf_bytes(&op->window), n);
    buf_consume(&op->window, n);
    if (op->paused && size - n <= WINDOW_LOW && op->base.request != NULL) {
        op->paused = false;
        http_resume_body(op->base.request);
    }
    return (ssize_t)n;
}

static int start_transfer(struct put_op *op)
{
    char url[API_URL_MAX];

    if (!api_replica_url(op->base.api, &op->record.replicas[0], &op->base.key, url))
        return UV_EINVAL;
    op->transfer.data = op;
    return transfer_put(op->base.api->transfers, &op->transfer, url, op->head.content_length,
                        read_window, transfer_done);
}

static void announced_cb(struct store_commit *commit, int rc)
{
    struct put_op *op = commit->data;

    if (rc < 0) {
        put_end(op, api_store_status(rc), "the index can't be changed\n");
    } else if (op->state == PUT_ABORTING) {
        forget(op, &op->head.orphans, 0, "");
    } else if (start_transfer(op) < 0) {
        forget(op, &op->head.orphans, 503, "the value can't be sent to a volume\n");
    } else {
        set_state(op, op->whole ? PUT_FINISHING : PUT_STREAMING);
    }
}

/* Chooses the volume. The blob there is an orphan until the key is put; unless an unlinked value of
 * the key lies in the same place, and then it is this key's blob, whichever of the two it is. */
static int announce(struct put_op *op)
{
    struct store_change change;
    int rc;

    api_place(op->base.api, &op->base.key, 1, op->record.replicas);
    op->record.n_replicas = 1;
    op->announced = op->orphans = op->head.orphans;
    if (!orphans_add(&op->announced, &op->record) || !orphans_add(&op->orphans, &op->head.unlinked))
        return UV_ENOBUFS;
    orphans_subtract(&op->announced, &op->head.unlinked);
    orphans_subtract(&op->orphans, &op->record);
    change = orphans_change(&op->base.key, &op->announced);
    op->base.commit.data = op;
    rc = store_commit(op->base.api->store, &op->base.commit, &change, 1, announced_cb);
    if (rc == 0)
        set_state(op, PUT_ANNOUNCING);
    return rc;
}

/* --- The client's side ----------------------------------------------------------------------- */

static void body_data_cb(struct http_request *request, const char *bytes, size_t len)
{
    struct put_op *op = http_request_data(request);

    if (buf_append(&op->window, bytes, len) < 0 ||
        (op->md5 != NULL && EVP_DigestUpdate(op->md5, bytes, len) != 1)) {
        put_abort(op, 503, "out of memory\n");
        return;
    }
    op->record.size += len;
    if (op->state == PUT_RECEIVING) {
        int rc = announce(op);

        if (rc < 0)
            put_abort(op, api_store_status(rc), "the index can't be changed\n");
        return;
    }
    if (op->state == PUT_STREAMING)
        transfer_wake(&op->transfer);
    if (!op->paused && buf_size(&op->window) >= WINDOW_HIGH) {
        op->paused = true;
        http_pause_body(request);
    }
}

/* Whether the body is the one that the client announced. */
static bool finish_md5(struct put_op *op)
{
    unsigned char md5[EVP_MAX_MD_SIZE];

    if (op->md5 == NULL)
        return true;
    if (EVP_DigestFinal_ex(op->md5, md5, NULL) != 1)
        return false;
    if (op->base.api->md5) {
        op->record.flags |= RECORD_MD5;
        memcpy(op->record.md5, md5, RECORD_MD5_SIZE);
    }
    return !op->head.check_md5 || memcmp(md5, op->head.md5, RECORD_MD5_SIZE) == 0;
}

static void body_end_cb(struct http_request *request)
{
    struct put_op *op = http_request_data(request);

    if (op->state == PUT_RECEIVING) {
        put_abort(op, 411, "an empty value can't be stored\n");
        return;
    }
    if (!finish_md5(op)) {
        put_abort(op, 400, "the value's MD5 is not the one in Content-MD5\n");
        return;
    }
    op->whole = true;
    if (op->state == PUT_ANNOUNCING)
        return;
    set_state(op, PUT_FINISHING);
    transfer_wake(&op->transfer);
}

static void body_closed_cb(struct http_request *request)
{
    struct put_op *op = http_request_data(request);

    op->base.request = NULL;
    /* A value that has come whole is kept, even if nobody hears that it is. */
    if (!op->whole)
        put_abort(op, 0, "");
}

static const struct http_body_reader reader = {
    .data = body_data_cb,
    .end = body_end_cb,
    .closed = body_closed_cb,
};

/* --- The start ------------------------------------------------------------------------------- */

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool start_md5(struct put_op *op)
{
    if (!op->base.api->md5 && !op->head.check_md5)
        return true;
    op->md5 = EVP_MD_CTX_new();
    return op->md5 != NULL && EVP_DigestInit_ex(op->md5, EVP_md5(), NULL) == 1;
}

void api_put(struct api *api, struct http_request *request, const struct key *key)
{
    struct put_head head;
    const char *text;
    struct put_op *op;
    int status = put_head_read(api, request, key, &head, &text);

    if (status != 0) {
        api_respond_text(request, status, text);
        return;
    }
    op = operation_new(sizeof(*op), api, request, key);
    if (op == NULL)
        return;
    op->head = head;
    op->record.time = now_ms();
    if (!start_md5(op)) {
        put_end(op, 503, "out of memory\n");
        return;
    }
    http_request_set_data(request, op);
    http_read_body(request, &reader);
}
