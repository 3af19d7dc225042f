/* What the admin socket answers:
 *
 *     GET /status   what status.h describes
 *     GET /dump     the lines of maintenance/dump_line.h, streamed
 *     /jobs...      admin_jobs.h
 *
 * It has a listener and a handler of its own, so that no path of the public API leads here. */
#ifndef MKV_ADMIN_H
#define MKV_ADMIN_H

#include "index/http/http.h"
#include "index/objects/objects.h"

#define ADMIN_SOCKET "admin.sock" /* in the index directory */

struct jobs; /* index/maintenance/job.h */

/* What the front shows to clients. */
struct admin_certificate {
    const char *path; /* NULL: it speaks no TLS */
    int64_t expires;  /* seconds since 1970 */
};

struct admin {
    uv_loop_t *loop;
    struct objects *objects;
    struct jobs *jobs;
    char *directory; /* the index's */
    const struct admin_certificate *certificate;
    uint64_t started; /* uv_hrtime() */
    int fd;           /* of the directory */
    struct http_server *http;
    uv_timer_t look; /* reads what a status tells of a database; see look_cb() */
    void (*stop_cb)(void *arg);
    void *stop_arg;
    /* Whoever has started it says so: */
    struct backups_watch *backups; /* index/maintenance/backup_key.h */
    const struct meter *meter;     /* index/http/meter.h, of what the API answers; NULL: none */
    bool has_settled; /* the volumes have been asked how they are, and requests are answered */
    bool is_stopping; /* no new connections are wanted */
};

/* Makes the socket in the index directory, in place of one that a killed index left, and serves it;
 * the caller holds the directory's lock. `objects`, `jobs` and `certificate`, which may change, are
 * borrowed. 0 and *admin, or a
 * negative UV_E* after a log line. */
int admin_start(uv_loop_t *loop, struct objects *objects, struct jobs *jobs, const char *directory,
                const struct admin_certificate *certificate, struct admin **admin);

/* Answers with status.h's JSON. */
void admin_respond_status(const struct admin *admin, struct http_request *request);

/* Removes the socket, lets requests end, and fires `cb` from the loop; admin_free() is to come,
 * once nobody else has it. Those who watch jobs are served until these have ended: jobs_close()
 * comes first. */
void admin_stop(struct admin *admin, void (*cb)(void *arg), void *arg);

/* Cuts off what still runs. Only after admin_stop(), before its callback. */
void admin_abort(struct admin *admin);

/* Only after the callback of admin_stop(). */
void admin_free(struct admin *admin);

#endif
