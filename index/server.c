/* Start order: store, transfers, places, HTTP, jobs, admin socket, counting, healing, and unless it
 * only reads, reclaiming, backups, expiry of uploads; requests and jobs wait until each volume was
 * asked how it is. Stop order, each step in the callback of the one before: HTTP and admin socket,
 * and jobs are told to end; jobs, once nobody watches them, healing, backups, expiry, reclaiming,
 * counting, the operations that outlive their requests, places, transfers, the store. */
#include "index/server.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "index/access/keys.h"
#include "index/admin/admin.h"
#include "index/admin/admin_port.h"
#include "index/api/api.h"
#include "index/api/auth.h"
#include "index/base/lockfile.h"
#include "index/base/log.h"
#include "index/base/process.h"
#include "index/cluster/sign.h"
#include "index/http/meter.h"
#include "index/maintenance/backup.h"
#include "index/maintenance/drained.h"
#include "index/maintenance/healer.h"
#include "index/objects/reclaim.h"
#include "index/objects/spread.h"
#include "index/s3/s3.h"
#include "index/s3/upload_expiry.h"
#include "index/store/gdbm/gdbm_engine.h"
#ifdef MKV_POSTGRES
#include "index/store/postgres/postgres_engine.h"
#endif

#define DESCRIPTORS_RESERVED 64

struct index_server {
    uv_loop_t *loop;
    struct objects objects;
    struct api api;
    struct s3 s3;
    struct http_server *http;      /* NULL without listeners, and once it has stopped */
    struct admin *admin;           /* NULL once it has stopped */
    struct admin *stopped_admin;   /* which the port may still show */
    struct admin_port *admin_port; /* NULL without one, and once it has stopped */
    char *directory;
    int lock;           /* of that, where the store isn't in it; -1: none */
    struct meter meter; /* of `http` */
    struct jobs *jobs;
    struct healer_options healing;
    struct backup *backup;  /* NULL once it has stopped */
    char *certificate_path; /* or NULL */
    struct admin_certificate certificate;
    struct upload_expiry *upload_expiry;
    char *fallback;
    char *s3_domain;
    uv_timer_t deadline; /* of the drain */
    uint64_t stop_until; /* loop time of that */
    uv_timer_t idle;     /* fires at once, when the last operation has ended */
    unsigned timers;     /* whose close callback is to come */
    bool only_reads;
    bool stopping;
    index_server_stop_cb stop_cb;
    void *stop_arg;
};

static void server_free(struct index_server *s)
{
    if (s->lock >= 0)
        lockfile_release(s->lock);
    free(s->directory);
    free(s->fallback);
    free(s->s3_domain);
    free(s->certificate_path);
    keys_release(s->api.keys);
    keys_release(s->s3.keys);
    free(s);
}

/* Of the descriptors that this process may open, volumes get half of what the store, logs and nginx
 * leave. */
static size_t volume_connections(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return 0;
    return limit.rlim_cur > DESCRIPTORS_RESERVED + 2
               ? (size_t)(limit.rlim_cur - DESCRIPTORS_RESERVED) / 2
               : 1;
}

static void init_api(struct index_server *s, const struct index_server_options *options)
{
    s->api = (struct api){
        .objects = &s->objects,
        .keys = options->keys != NULL ? keys_hold(options->keys) : NULL,
        .check_reads = options->check_reads,
        .fallback = s->fallback,
        .protect = options->protect,
        .only_reads = options->only_reads,
    };
    s->s3 = (struct s3){
        .objects = &s->objects,
        .keys = options->keys != NULL ? keys_hold(options->keys) : NULL,
        .domain = s->s3_domain,
        .protect = options->protect,
        .only_reads = options->only_reads,
        .upload_expiry_ms = options->s3_upload_expiry_ms,
    };
    s->objects.copies = options->copies;
    s->objects.sync = options->sync;
    s->objects.md5 = options->md5;
    s->objects.grace = options->grace_ms;
    s->healing = (struct healer_options){.repair_after = options->repair_after_ms,
                                         .verify_every = options->verify_every_ms};
    s->objects.budget.connections_max = volume_connections();
    generations_init(&s->objects.generations, store_last_generation(s->objects.store),
                     s->objects.store->number, s->objects.store->numbers);
}

static int start_transfers(struct index_server *s, const struct index_server_options *options)
{
    struct transfer_limits limits = transfer_default_limits;
    size_t most = volume_connections();
    int rc;

    if (most > 0)
        limits.kept_connections = most / 2 > 0 ? most / 2 : 1;
    rc = transfers_new(s->loop, &limits, &s->objects.transfers);
    if (rc == 0)
        index_server_set_secrets(s, options->secrets, options->ticket_ttl);
    return rc;
}

/* Another index has changed a note. */
static void noted_cb(void *arg)
{
    struct index_server *s = arg;

    drained_load(&s->objects);
}

static void ignore_cb(void *arg)
{
    (void)arg;
}

static int take_volumes(struct index_server *s, const struct index_server_options *options)
{
    int rc = places_new(s->loop, s->objects.store, s->objects.transfers, options->subvolumes,
                        options->copies, &s->objects.places);

    if (rc < 0)
        return rc;
    rc = places_list(s->objects.places, options->volumes, options->n_volumes);
    if (rc == 0 && (rc = drained_load(&s->objects)) == 0)
        return 0;
    log_error("the index cannot take up its volumes: %s", uv_strerror(rc));
    places_stop(s->objects.places, ignore_cb, NULL);
    return rc;
}

/* Requests that came before would have found no volume up. */
static void volumes_settled_cb(void *arg)
{
    struct index_server *s = arg;

    if (s->stopping)
        return;
    if (s->http != NULL)
        http_server_release(s->http);
    s->admin->has_settled = true;
    jobs_open(s->jobs);
}

static struct index_server *server_new(uv_loop_t *loop, const struct index_server_options *options)
{
    struct index_server *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->loop = s->objects.loop = loop;
    s->lock = -1;
    s->only_reads = options->only_reads;
    s->objects.directory = s->directory = strdup(options->directory);
    s->fallback = options->fallback != NULL ? strdup(options->fallback) : NULL;
    s->s3_domain = options->s3_domain != NULL ? strdup(options->s3_domain) : NULL;
    s->certificate_path =
        options->tls_paths.certificate != NULL ? strdup(options->tls_paths.certificate) : NULL;
    if (s->directory != NULL &&
        (options->tls_paths.certificate == NULL || s->certificate_path != NULL) &&
        (options->fallback == NULL || s->fallback != NULL) &&
        (options->s3_domain == NULL || s->s3_domain != NULL))
        return s;
    server_free(s);
    return NULL;
}

static void handle(struct http_request *request, void *arg)
{
    struct index_server *s = arg;

    if (s3_is_wanted(request))
        s3_handle(&s->s3, request);
    else
        api_handle(request, &s->api);
}

/* It answers once the volumes have settled. */
static int start_http(struct index_server *s, const struct index_server_options *options)
{
    struct http_limits limits = http_default_limits;
    int rc;

    if (options->n_listeners == 0)
        return 0;
    limits.connections = http_connections_max(limits.connections);
    limits.proxies = 1;
    rc = http_server_start(s->loop, options->listeners, options->n_listeners, &limits, API_METHODS,
                           handle, s, &s->http);
    if (rc == 0) {
        http_server_set_meter(s->http, &s->meter);
        http_server_hold(s->http);
    } else {
        log_error("the index cannot listen: %s", uv_strerror(rc));
    }
    return rc;
}

static bool admits_cb(struct http_request *request, void *arg)
{
    const struct index_server *s = arg;

    return auth_admits_admin(s->api.keys, request);
}

static void admin_dropped_cb(void *arg)
{
    admin_free(arg);
}

static int start_admin(struct index_server *s, const struct index_server_options *options)
{
    int rc =
        admin_start(s->loop, &s->objects, s->jobs, options->directory, &s->certificate, &s->admin);

    if (rc == 0)
        s->admin->meter = &s->meter;
    if (rc < 0 || options->n_admin_listeners == 0)
        return rc;
    process_begin();
    rc = admin_port_start(s->admin, options->admin_listeners, options->n_admin_listeners, admits_cb,
                          s, &s->admin_port);
    if (rc < 0)
        admin_stop(s->admin, admin_dropped_cb, s->admin);
    return rc;
}

/* Of an index that could not start. */
static void drop_admin(struct index_server *s)
{
    if (s->admin_port != NULL)
        admin_port_stop(s->admin_port, ignore_cb, NULL);
    admin_stop(s->admin, admin_dropped_cb, s->admin);
}

/* What removes and writes by itself. 0, or a negative UV_E* and nothing of it is started. */
static int start_writers(struct index_server *s, uint64_t backup_ms)
{
    int rc = reclaimer_start(s->loop, &s->objects, &s->objects.reclaimer);

    if (rc < 0)
        return rc;
    rc = backup_start(&s->objects, backup_ms, &s->backup);
    if (rc < 0)
        goto err_reclaimer;
    rc = upload_expiry_start(s->loop, &s->s3, &s->upload_expiry);
    if (rc < 0)
        goto err_backup;
    return 0;

err_backup:
    backup_stop(s->backup, ignore_cb, NULL);
err_reclaimer:
    reclaimer_stop(s->objects.reclaimer, ignore_cb, NULL);
    return rc;
}

/* What goes on beside requests. 0, or a negative UV_E* and nothing of it is started. */
static int start_background(struct index_server *s, uint64_t backup_ms)
{
    int rc = spread_start(s->loop, &s->objects, &s->objects.spread);

    if (rc < 0)
        return rc;
    rc = healer_start(&s->objects, s->jobs, &s->healing, &s->objects.healer);
    if (rc < 0)
        goto err_spread;
    rc = s->only_reads ? 0 : start_writers(s, backup_ms);
    if (rc < 0)
        goto err_healer;
    return 0;

err_healer:
    healer_stop(s->objects.healer, ignore_cb, NULL);
err_spread:
    spread_stop(s->objects.spread, ignore_cb, NULL);
    return rc;
}

/* Whether the index is there for a command that looks: offline_index.h. Another one that only reads
 * runs with --read-only. */
static bool is_for_a_look(const struct index_server_options *options)
{
    return options->only_reads && options->n_listeners == 0;
}

static int refusal_of_jobs(const struct index_server_options *options)
{
    if (!options->only_reads)
        return 0;
    return is_for_a_look(options) ? UV_EAGAIN : UV_EROFS;
}

#ifdef MKV_POSTGRES
/* The directory is still where the admin socket is, and this index alone. */
static int open_database(struct index_server *s, const struct index_server_options *options)
{
    char host[256] = "";
    char name[PATH_MAX + 256];
    struct postgres_engine_options how = {
        .uri = options->store_uri,
        .name = name,
        .sync = options->sync,
        .only_reads = options->only_reads,
        .grace_ms = options->grace_ms,
        .shared = {.copies = options->copies,
                   .subvolumes = options->subvolumes,
                   .protect = options->protect,
                   .md5 = options->md5},
    };
    lockfile_fn lock = is_for_a_look(options) ? lockfile_acquire_read_only : lockfile_acquire;
    int rc = lockfile_take_index(s->directory, lock, &s->lock);

    if (rc < 0)
        return rc;
    gethostname(host, sizeof(host) - 1);
    snprintf(name, sizeof(name), "%s:%s", host, s->directory);
    return postgres_engine_open(s->loop, &how, &s->objects.store);
}
#endif

static int open_store(struct index_server *s, const struct index_server_options *options)
{
    const struct gdbm_engine_options how = {.sync = options->sync,
                                            .only_reads = options->only_reads};

#ifdef MKV_POSTGRES
    if (options->store_uri != NULL)
        return open_database(s, options);
#endif
    return gdbm_engine_open(s->loop, options->directory, &how, &s->objects.store);
}

int index_server_start(uv_loop_t *loop, const struct index_server_options *options,
                       struct index_server **server)
{
    struct index_server *s = server_new(loop, options);
    int rc;

    if (s == NULL) {
        log_error("the index cannot start: out of memory");
        return UV_ENOMEM;
    }
    rc = open_store(s, options);
    if (rc < 0)
        goto err_free;
    rc = start_transfers(s, options);
    if (rc < 0) {
        log_error("the index cannot talk to volumes: %s", uv_strerror(rc));
        goto err_store;
    }
    if (options->tls != NULL)
        rc = index_server_set_tls(s, options->tls);
    if (rc == 0)
        rc = take_volumes(s, options);
    if (rc < 0)
        goto err_transfers;
    init_api(s, options);
    rc = start_http(s, options);
    if (rc < 0)
        goto err_places;
    rc = jobs_new(&s->objects, refusal_of_jobs(options), &s->jobs);
    if (rc < 0)
        goto err_http;
    rc = start_admin(s, options);
    if (rc < 0)
        goto err_jobs;
    rc = start_background(s, options->backup_ms);
    if (rc < 0)
        goto err_admin;
    places_start(s->objects.places, volumes_settled_cb, s);
    s->objects.store->noted = noted_cb;
    s->objects.store->noted_arg = s;
    *server = s;
    return 0;

err_admin:
    log_error("the index cannot start: %s", uv_strerror(rc));
    drop_admin(s);
err_jobs:
    jobs_close(s->jobs);
    jobs_stop(s->jobs, ignore_cb, NULL);
err_http:
    if (s->http != NULL)
        http_server_stop(s->http, ignore_cb, NULL);
err_places:
    places_stop(s->objects.places, ignore_cb, NULL);
err_transfers:
    transfers_free(s->objects.transfers, NULL, NULL);
err_store:
    store_close(s->objects.store, ignore_cb, NULL);
err_free:
    server_free(s);
    return rc;
}

static void store_closed_cb(void *arg)
{
    struct index_server *s = arg;
    index_server_stop_cb cb = s->stop_cb;
    void *cb_arg = s->stop_arg;

    server_free(s);
    cb(cb_arg);
}

static void timer_closed_cb(uv_handle_t *handle)
{
    struct index_server *s = handle->data;

    if (--s->timers > 0)
        return;
    objects_deinit(&s->objects);
    store_close(s->objects.store, store_closed_cb, s);
}

static void transfers_freed_cb(void *arg)
{
    struct index_server *s = arg;

    uv_close((uv_handle_t *)&s->deadline, timer_closed_cb);
    uv_close((uv_handle_t *)&s->idle, timer_closed_cb);
}

/* By way of the loop, as below. */
static void free_transfers_cb(uv_timer_t *timer)
{
    struct index_server *s = timer->data;

    transfers_free(s->objects.transfers, transfers_freed_cb, s);
}

static void places_stopped_cb(void *arg)
{
    struct index_server *s = arg;

    uv_timer_start(&s->idle, free_transfers_cb, 0, 0);
}

static void idle_cb(uv_timer_t *timer)
{
    struct index_server *s = timer->data;

    uv_timer_stop(&s->deadline);
    s->stop_until = 0;
    s->objects.store->noted = NULL;
    places_stop(s->objects.places, places_stopped_cb, s);
}

/* By way of the loop: an operation may end in a callback of its transfer. */
static void api_idle_cb(void *arg)
{
    struct index_server *s = arg;

    uv_timer_start(&s->idle, idle_cb, 0, 0);
}

static void spread_stopped_cb(void *arg)
{
    struct index_server *s = arg;

    s->objects.spread = NULL;
    s->objects.idle = api_idle_cb;
    s->objects.idle_arg = s;
    if (s->objects.n_running == 0)
        api_idle_cb(s);
}

static void reclaimer_stopped_cb(void *arg)
{
    struct index_server *s = arg;

    spread_stop(s->objects.spread, spread_stopped_cb, s);
}

static void expiry_stopped_cb(void *arg)
{
    struct index_server *s = arg;

    reclaimer_stop(s->objects.reclaimer, reclaimer_stopped_cb, s);
}

static void backup_stopped_cb(void *arg)
{
    struct index_server *s = arg;

    s->backup = NULL;
    upload_expiry_stop(s->upload_expiry, expiry_stopped_cb, s);
}

static void healer_stopped_cb(void *arg)
{
    struct index_server *s = arg;

    if (s->only_reads)
        reclaimer_stopped_cb(s);
    else
        backup_stop(s->backup, backup_stopped_cb, s);
}

static void jobs_stopped_cb(void *arg)
{
    struct index_server *s = arg;

    healer_stop(s->objects.healer, healer_stopped_cb, s);
}

static void jobs_stop_if_quiet(struct index_server *s)
{
    if (s->http != NULL || s->admin_port != NULL || s->admin != NULL)
        return;
    admin_free(s->stopped_admin);
    jobs_stop(s->jobs, jobs_stopped_cb, s);
}

static void http_stopped_cb(void *arg)
{
    struct index_server *s = arg;

    s->http = NULL;
    jobs_stop_if_quiet(s);
}

static void admin_port_stopped_cb(void *arg)
{
    struct index_server *s = arg;

    s->admin_port = NULL;
    jobs_stop_if_quiet(s);
}

static void admin_stopped_cb(void *arg)
{
    struct index_server *s = arg;

    s->stopped_admin = s->admin;
    s->admin = NULL;
    jobs_stop_if_quiet(s);
}

static void deadline_cb(uv_timer_t *timer)
{
    struct index_server *s = timer->data;

    if (s->http != NULL)
        http_server_abort(s->http);
    if (s->admin_port != NULL)
        admin_port_abort(s->admin_port);
    if (s->admin != NULL)
        admin_abort(s->admin);
    if (s->backup != NULL)
        backup_abort(s->backup);
    transfers_abort(s->objects.transfers);
    store_abort(s->objects.store);
}

int index_server_set_volumes(struct index_server *s, const struct volume_entry *entries, size_t n)
{
    int rc = places_list(s->objects.places, entries, n);

    if (rc < 0) {
        log_error("the index cannot take up its volumes: %s", uv_strerror(rc));
        return rc;
    }
    drained_load(&s->objects);
    spread_restart(s->objects.spread);
    return 0;
}

int index_server_set_tls(struct index_server *s, const struct tls_files *files)
{
    int rc = transfers_set_tls(s->objects.transfers, files);

    if (rc == 0)
        s->certificate = (struct admin_certificate){s->certificate_path, files->expires};
    else
        log_error("cannot keep the certificates: %s", uv_strerror(rc));
    return rc;
}

void index_server_set_keys(struct index_server *s, struct keys *keys)
{
    keys_release(s->api.keys);
    keys_release(s->s3.keys);
    s->api.keys = keys_hold(keys);
    s->s3.keys = keys_hold(keys);
}

void index_server_set_secrets(struct index_server *s, const struct secrets *secrets,
                              unsigned ticket_ttl)
{
    struct signer signer = {.version = 0};

    signer_set(&signer, secrets, ticket_ttl);
    transfers_set_signer(s->objects.transfers, &signer);
    signer_deinit(&signer);
}

void index_server_close_public(struct index_server *s)
{
    s->admin->is_stopping = true;
    if (s->http != NULL)
        http_server_close_listeners(s->http, 1);
}

static void stop(struct index_server *s, index_server_stop_cb cb, void *arg)
{
    s->stopping = true;
    s->stop_cb = cb;
    s->stop_arg = arg;
    s->stop_until = UINT64_MAX;
    uv_timer_init(s->loop, &s->deadline);
    uv_timer_init(s->loop, &s->idle);
    s->deadline.data = s->idle.data = s;
    s->timers = 2;
    jobs_close(s->jobs);
    if (s->http != NULL)
        http_server_stop(s->http, http_stopped_cb, s);
    if (s->admin_port != NULL)
        admin_port_stop(s->admin_port, admin_port_stopped_cb, s);
    admin_stop(s->admin, admin_stopped_cb, s);
}

void index_server_stop(struct index_server *s, unsigned drain_ms, index_server_stop_cb cb,
                       void *arg)
{
    uint64_t until = uv_now(s->loop) + drain_ms;

    if (!s->stopping)
        stop(s, cb, arg);
    if (until < s->stop_until && !uv_is_closing((uv_handle_t *)&s->deadline)) {
        s->stop_until = until;
        uv_timer_start(&s->deadline, deadline_cb, drain_ms, 0);
    }
}
