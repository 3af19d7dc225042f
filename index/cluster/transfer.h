/* Requests to volumes, on libcurl's multi interface driven by a libuv loop. The only room that
 * knows libcurl. Connections to volumes are kept and reused. */
#ifndef MKV_CLUSTER_TRANSFER_H
#define MKV_CLUSTER_TRANSFER_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <uv.h>

#include "index/base/address.h"
#include "index/base/shortage.h"
#include "index/base/tls_files.h"

struct pace;   /* pace.h */
struct signer; /* sign.h */
struct transfers;
struct transfer;
struct transfer_tls; /* tls.c */
struct volume;

/* Fires once when the transfer has ended, never inside the call that started it. `rc` is 0 when the
 * volume answered, with its HTTP status in `status`; else a negative UV_E* and status 0:
 * UV_ECONNREFUSED (no connection, or no TLS: `refusal`), UV_ETIMEDOUT (connecting, no progress by
 * the volume's fault, or past `until`), UV_ECONNRESET (it broke off); or one that says nothing of
 * the volume: transfer_failed_here(). */
typedef void (*transfer_done_cb)(struct transfer *transfer, int rc, int status);

/* Gives up to `n` bytes of the body: the number written, 0 at its end, or UV_EAGAIN when there is
 * nothing right now; transfer_wake() then asks again. Must not call into this module. */
typedef ssize_t (*transfer_read_cb)(struct transfer *transfer, char *bytes, size_t n);

/* Takes bytes of the answer's body, as long as its status is 200 or 206 (those of others are
 * dropped). False leaves them all, and they come again after transfer_wake(). Must not call into
 * this module, but for transfer_wake_soon(). */
typedef bool (*transfer_write_cb)(struct transfer *transfer, const char *bytes, size_t n);

#define TRANSFER_VOLUME_ID_MAX   63
#define TRANSFER_VOLUME_ID_CHARS "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-._"

/* One request to one volume. Embedded in the operation that it is part of, which must keep it until
 * `done` has fired. `data`, `volume`, `identity`, `request_id`, `until` and
 * `anew` are set before the start, the rest is this module's. */
struct transfer {
    void *data;     /* the caller's */
    uint64_t until; /* loop time by which it is to have ended; 0: any. May be changed meanwhile */
    struct transfers *engine;
    CURL *easy;
    struct curl_slist *headers;
    struct transfer_tls *tls; /* what it shows and trusts, if the volume has TLS */
    const char *refusal; /* why no TLS came about, when it ended with UV_ECONNREFUSED; or NULL */
    struct curl_slist *forget; /* a name whose addresses libcurl is to look up again */
    transfer_read_cb read;
    transfer_done_cb done;
    transfer_write_cb write;
    uint64_t stall_timeout; /* ms without progress that the volume is granted */
    struct volume *volume;  /* that is asked: one that is down is granted less; NULL: any */
    const char *request_id; /* what the client's request that this is for is called, or NULL */
    const char *identity; /* what is at the URL, where `volume` is NULL and requests are signed; or
                             NULL */
    bool anew; /* look the volume's name up again, and take no connection that was kept */
    char volume_id[TRANSFER_VOLUME_ID_MAX + 1]; /* the answer's Mkv-Volume-Id; readable in `done` */
    char address[ADDRESS_TEXT_MAX];             /* that it came from, "IP:port"; likewise */
    int64_t length;    /* that the answer's Content-Length says, -1 for none; likewise */
    uint64_t progress; /* loop time of the last sign of life */
    size_t dropped;    /* bytes of the answer's body */
    int shortage;      /* errno of a socket that could not be made, or 0 */
    bool starved;      /* read said UV_EAGAIN, or write false: it isn't the volume that is slow */
    bool wake_soon;
    int64_t left;   /* bytes of the body that are still to be read; negative when chunked */
    bool body_sent; /* all was read, so the volume may hold the whole body */
    unsigned tries; /* how often some of the request was sent: libcurl does so again where a
                       connection that was kept breaks without an answer. Readable in `done` */
    int rc;         /* result, once on the ended list */
    int status;
    LIST_ENTRY(transfer) link;         /* in engine->active */
    STAILQ_ENTRY(transfer) wake_link;  /* in engine->wakes */
    STAILQ_ENTRY(transfer) ended_link; /* in engine->ended, until `done` fires */
};

struct transfer_limits {
    unsigned connect_timeout; /* ms to a connection */
    unsigned stall_timeout;   /* ms without progress that a volume is granted */
    unsigned down_timeout;    /* the same, of one that is down */
    unsigned post_timeout;    /* ms to the answer to a POST */
    unsigned durable_timeout; /* ms from a value's last byte on, for all that is tried with it; to
                                 both, a second comes for each TRANSFER_FLUSH_RATE bytes */
    size_t kept_connections;  /* idle ones, to all volumes, at most */
};

extern const struct transfer_limits transfer_default_limits;

/* Bytes that a volume brings to disk in a second at the least, as far as deadlines go. */
#define TRANSFER_FLUSH_RATE (8U << 20)

/* Makes the engine. 0 and *engine, or UV_ENOMEM. */
int transfers_new(uv_loop_t *loop, const struct transfer_limits *limits, struct transfers **engine);

/* How many volumes there are: as many more idle connections are kept. None at first. */
void transfers_set_volumes(struct transfers *engine, size_t n);

/* What volumes are asked with by TLS from now on, copied: the authorities that are trusted (empty:
 * the system's), and the certificate that is shown with its key (empty: none is). Nothing was set
 * at first. 0 or UV_ENOMEM. */
int transfers_set_tls(struct transfers *engine, const struct tls_files *files);

/* What was set, copied into *files, for another engine: all zero, if nothing was. 0 or UV_ENOMEM.
 * The caller calls tls_files_deinit() in each case. */
int transfers_copy_tls(const struct transfers *engine, struct tls_files *files);

/* The file of the authorities that the system trusts, as far as libcurl knows one; or NULL. */
const char *transfers_system_authorities(void);

/* Closes connections and handles, then frees the engine and fires `cb` from the loop. No transfer
 * may be active. */
void transfers_free(struct transfers *engine, void (*cb)(void *arg), void *arg);

/* Cancels every transfer, and refuses new ones with UV_ECANCELED from now on. */
void transfers_abort(struct transfers *engine);

/* What signs all requests that start from now on; copied. At first nothing does. */
void transfers_set_signer(struct transfers *engine, const struct signer *signer);
const struct signer *transfers_signer(const struct transfers *engine);

/* The pace of what is copied in the background. */
struct pace *transfers_pace(struct transfers *engine);

/* The loop's time. */
uint64_t transfers_now(const struct transfers *engine);

/* ms after which a request without a body has ended, whether it was answered or not. */
uint64_t transfers_patience(const struct transfers *engine);

/* The loop time at which a value of `size` bytes that is whole by now is to be durable at its
 * volumes, or given up. */
uint64_t transfers_durable_by(const struct transfers *engine, uint64_t size);

/* Starts a PUT of `size` bytes, or chunked when size is -1, to "http://VOLUME/PATH". `time`, in ms
 * since 1970, becomes the file's, and with it what nginx makes Last-Modified and ETag of: the same
 * at every volume. 0; or UV_ENOMEM or UV_ECANCELED, and `done` never fires. */
int transfer_put(struct transfers *engine, struct transfer *transfer, const char *url, int64_t size,
                 uint64_t time, transfer_read_cb read, transfer_done_cb done);

/* Starts a DELETE, likewise. */
int transfer_delete(struct transfers *engine, struct transfer *transfer, const char *url,
                    transfer_done_cb done);

/* Starts a HEAD, likewise. */
int transfer_head(struct transfers *engine, struct transfer *transfer, const char *url,
                  transfer_done_cb done);

/* Starts a GET, likewise. `timeout`: ms that it may take in all, 0 for any time. */
int transfer_get(struct transfers *engine, struct transfer *transfer, const char *url,
                 unsigned timeout, transfer_write_cb write, transfer_done_cb done);

/* The same of `length` bytes, more than none, from `offset` on: RFC 9110, section 14.2. The status
 * is 206 then. */
int transfer_get_range(struct transfers *engine, struct transfer *transfer, const char *url,
                       uint64_t offset, uint64_t length, transfer_write_cb write,
                       transfer_done_cb done);

/* Starts a POST of a text, which is borrowed until `done` has fired; likewise. `size`: bytes that
 * the volume is to bring to disk for it. `write` may be NULL: nobody reads the answer. */
int transfer_post(struct transfers *engine, struct transfer *transfer, const char *url,
                  const char *text, uint64_t size, transfer_write_cb write, transfer_done_cb done);

/* Says that `read` has something to give again, or has come to the end; or that `write` can take
 * more. */
void transfer_wake(struct transfer *transfer);

/* The same, from within another transfer's `read` or `write`: at the end of the loop's turn. */
void transfer_wake_soon(struct transfer *transfer);

/* Breaks the request off; the volume sees its connection close. `done` fires with UV_ECANCELED,
 * unless the transfer has ended already and `done` was about to tell how. */
void transfer_cancel(struct transfer *transfer);

/* Whether a transfer ended for a reason of this process or machine (it was cancelled; memory,
 * descriptors, buffers or ports are short), which says nothing of the volume. */
static inline bool transfer_failed_here(int rc)
{
    return rc == UV_ECANCELED || is_shortage(-rc);
}

/* Whether the volume has done what it was asked: RFC 9110, section 15.3. */
static inline bool transfer_succeeded(int rc, int status)
{
    return rc == 0 && status >= 200 && status < 300;
}

/* Whether the volume may keep the blob of a PUT that has ended so: it says that it does, or was
 * given the whole body, whatever it says. */
static inline bool transfer_may_have_stored(const struct transfer *transfer, int rc, int status)
{
    return transfer->body_sent || transfer_succeeded(rc, status);
}

#endif
