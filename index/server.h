/* The index server: wires the store, the cluster and the API to one libuv loop behind listening
 * sockets that the caller opened. The launcher runs one of these behind its nginx front. */
#ifndef MKV_SERVER_H
#define MKV_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "index/base/tls_files.h"

struct index_server;
struct keys;
struct secrets;      /* index/access/secret.h */
struct volume_entry; /* index/cluster/volumes.h */

struct index_server_options {
    const char *directory;       /* the index directory, created 0700 when missing */
    const char *store_uri;       /* of the database that the store is in (store/postgres/uri.h), or
                                    NULL: it is in the directory */
    const struct tls_files *tls; /* what volumes with TLS are asked with, or NULL: nothing */
    struct tls_paths tls_paths;  /* where that is from, absolute: for the status, and for whoever
                                    runs  the index next */
    const struct volume_entry *volumes; /* names as volume_name.h has them; no duplicates */
    size_t n_volumes;                   /* at least 1 */
    unsigned subvolumes;                /* 1 to 256 */
    unsigned copies;                    /* volumes that each value goes to: 1 to 16 */
    bool check_reads;     /* a GET looks whether the replica is there before it redirects */
    const char *fallback; /* name of a host that a GET of a missing key is sent to, or NULL */
    bool protect;         /* only unlinked keys can be deleted */
    struct keys *keys;    /* who may do what (index/access/keys.h); NULL: all may do all */
    const struct secrets *secrets; /* the first signs requests to volumes; NULL, or none: they
                                      aren't signed */
    unsigned ticket_ttl;           /* seconds that a ticket is good for */
    const char *secret_file; /* where they are from, absolute, or NULL: for whoever runs the index
                                next, and not for the server itself */
    const char *s3_domain;   /* a bucket of S3 is also at the host BUCKET.NAME; NULL: it isn't */
    uint64_t
        s3_upload_expiry_ms; /* after which an upload that is left alone is given up; 0: never */
    bool sync; /* an acknowledged change survives a power cut, not only the end of the process */
    uint64_t backup_ms; /* between two backups of the index on its volumes; 0: none is made */
    unsigned grace_ms;  /* that a blob stays for readers who were sent to it */
    uint64_t
        repair_after_ms; /* that a volume is away before its copies are made elsewhere; 0: never */
    uint64_t verify_every_ms; /* in which every copy is read once; 0: never */
    bool md5;                 /* compute and keep the MD5 of every value */
    bool only_reads;          /* change nothing, in the store or at volumes: only jobs that look
                                 (job_only_looks()) are done, and requests that read */
    const int *listeners;     /* listening TCP sockets, the front's first; taken over on success */
    size_t n_listeners;       /* 0: only the admin socket answers */
    const int *admin_listeners; /* likewise, of the admin port */
    size_t n_admin_listeners;   /* 0: there is none */
};

/* Fires once, from the loop, when the last connection and transfer are gone and the store is
 * closed. The server's memory is gone too. */
typedef void (*index_server_stop_cb)(void *arg);

/* Takes the lock on the directory, opens the store and starts to answer. Everything in `options` is
 * copied. 0 and *server, or a negative UV_E* after one log line that names the cause: UV_EBUSY when
 * another process holds the directory. */
int index_server_start(uv_loop_t *loop, const struct index_server_options *options,
                       struct index_server **server);

/* Makes these the volumes that new values go to; those that were before stay known for what they
 * hold. 0, or a negative UV_E* after a log line, with nothing changed. */
int index_server_set_volumes(struct index_server *server, const struct volume_entry *entries,
                             size_t n);

/* Asks volumes with these files of TLS from now on; copied. 0, or a negative UV_E* after a log
 * line, with nothing changed. */
int index_server_set_tls(struct index_server *server, const struct tls_files *files);

/* Makes these the keys, which it holds: requests that come from now on are judged by them.
 * The server was started with some. */
void index_server_set_keys(struct index_server *server, struct keys *keys);

/* Signs with the first of these from now on. */
void index_server_set_secrets(struct index_server *server, const struct secrets *secrets,
                              unsigned ticket_ttl);

/* Stops accepting on every listener but the first, which the front needs while it drains. */
void index_server_close_public(struct index_server *server);

/* Stops accepting, lets requests in flight end for `drain_ms` milliseconds, cuts off the rest,
 * requests to volumes too, then fires `cb`. Called again while stopping, it may shorten the
 * deadline; `cb` stays the first. */
void index_server_stop(struct index_server *server, unsigned drain_ms, index_server_stop_cb cb,
                       void *arg);

#endif
