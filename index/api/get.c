/* GET and HEAD: where the blob is. The bytes never pass through here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/api/operation.h"
#include "index/base/hex.h"
#include "index/base/log.h"

static void respond_missing(struct api *api, struct http_request *request)
{
    char location[8 + VOLUME_ADDRESS_MAX + 3 * KEY_MAX];
    const char *path;
    size_t len;

    if (api->fallback == NULL) {
        api_respond_text(request, 404, "");
        return;
    }
    path = http_request_path(request, &len);
    snprintf(location, sizeof(location), "http://%s%.*s", api->fallback, (int)len, path);
    http_add_header(request, "Location", location);
    api_respond_text(request, 302, "");
}

/* Balanced: the replicas are where a PUT would place them with all volumes up. */
static bool is_balanced(struct api *api, const struct key *key, const struct record *record)
{
    struct upload_target wanted[RECORD_REPLICAS_MAX];
    size_t n = replicas_place(api->replicas, key, wanted, api->copies);

    if (n != record->n_replicas)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!record_has_target(api->replicas, record, &wanted[i]))
            return false;
    }
    return true;
}

/* The names of all replicas, comma-separated. */
static void volumes_text(struct api *api, const struct record *record, char *text, size_t size)
{
    char name[REPLICA_TEXT_MAX];
    size_t n = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < record->n_replicas && n < size; i++) {
        if (replica_text(api->replicas, &record->replicas[i], name))
            n += (size_t)snprintf(text + n, size - n, "%s%s", i > 0 ? "," : "", name);
    }
}

/* A strong ETag: the value's MD5, or, without one, what else tells two values of a key apart. */
static void add_validators(struct http_request *request, const struct record *record)
{
    char md5[2 * RECORD_MD5_SIZE + 1];
    char etag[64];

    if (record->flags & RECORD_MD5) {
        hex_write(record->md5, RECORD_MD5_SIZE, md5);
        http_add_header(request, "Content-Md5", md5);
        snprintf(etag, sizeof(etag), "\"%s\"", md5);
    } else {
        snprintf(etag, sizeof(etag), "\"%llx-%llx\"", (unsigned long long)record->time,
                 (unsigned long long)record->size);
    }
    http_add_header(request, "ETag", etag);
}

static void add_volumes(struct api *api, struct http_request *request, const struct key *key,
                        const struct record *record)
{
    char volumes[RECORD_REPLICAS_MAX * REPLICA_TEXT_MAX];

    volumes_text(api, record, volumes, sizeof(volumes));
    http_add_header(request, "Key-Volumes", volumes);
    http_add_header(request, "Key-Balance",
                    is_balanced(api, key, record) ? "balanced" : "unbalanced");
}

/* --- The front's proxy (--reads=proxy): it fetches the blob itself ---------------------------- */

/* How the front calls a volume, in its upstreams and here. */
void api_upstream_name(const char *volume, char name[VOLUME_ADDRESS_MAX])
{
    size_t n = 0;

    for (; n < VOLUME_ADDRESS_MAX - 1 && volume[n] != '\0'; n++) {
        if (volume[n] == ':')
            name[n] = '_';
        else
            name[n] = volume[n] == '[' || volume[n] == ']' ? '-' : volume[n];
    }
    name[n] = '\0';
}

static bool is_proxied(const struct http_request *request)
{
    const char *reads = http_request_header(request, "Mkv-Reads");

    return reads != NULL && strcmp(reads, "proxy") == 0;
}

/* Whether the front has tried the volume for this request: it is in the comma-separated list. */
static bool has_failed(const struct http_request *request, const struct volume *volume)
{
    const char *at = http_request_header(request, "Mkv-Failed");
    char name[VOLUME_ADDRESS_MAX];

    api_upstream_name(volume->name, name);
    while (at != NULL && *at != '\0') {
        size_t n = strcspn(at, ",");

        if (n == strlen(name) && strncasecmp(at, name, n) == 0)
            return true;
        at += at[n] == ',' ? n + 1 : n;
    }
    return false;
}

static bool respond_proxied(struct http_request *request, const struct key *key,
                            const struct replica *replica, const struct volume *volume)
{
    char uri[sizeof("/_mkv/blob/") + VOLUME_ADDRESS_MAX + UPLOAD_PATH_MAX];
    struct upload_target target = {.has_subvolume = replica->has_subvolume,
                                   .subvolume = replica->subvolume};
    char path[PLACEMENT_PATH_MAX];
    char whole[UPLOAD_PATH_MAX];
    char name[VOLUME_ADDRESS_MAX];

    if (!volume->is_listed) /* the front knows the others only */
        return false;
    api_upstream_name(volume->name, name);
    placement_path(key->bytes, key->len, path);
    upload_target_path(&target, path, whole);
    snprintf(uri, sizeof(uri), "/_mkv/blob/%s%s", name, whole);
    http_add_header(request, "X-Accel-Redirect", uri);
    api_respond_text(request, 200, "");
    return true;
}

/* --- Which replica --------------------------------------------------------------------------- */

/* A replica that can be read now, each as often as the others, and none of `tried`, a bit each;
 * -1 when there is none. */
static int pick(struct api *api, const struct http_request *request, const struct record *record,
                unsigned tried)
{
    int live[RECORD_REPLICAS_MAX];
    unsigned n = 0;

    for (unsigned i = 0; i < record->n_replicas; i++) {
        const struct volume *volume = replica_live(api->replicas, &record->replicas[i]);

        if (volume != NULL && !(tried >> i & 1) && !has_failed(request, volume))
            live[n++] = (int)i;
    }
    return n > 0 ? live[api->turn++ % n] : -1;
}

static void respond_none(struct http_request *request)
{
    api_respond_text(request, 503, "no volume that has the value can be read\n");
}

static void respond_with(struct api *api, struct http_request *request, const struct key *key,
                         const struct record *record, const struct replica *replica)
{
    const struct volume *volume = replica_live(api->replicas, replica);
    char url[REPLICA_URL_MAX];

    add_volumes(api, request, key, record);
    add_validators(request, record);
    if (volume != NULL && is_proxied(request) && respond_proxied(request, key, replica, volume))
        return;
    if (!replica_url(api->replicas, replica, key, url)) {
        respond_none(request);
        return;
    }
    http_add_header(request, "Location", url);
    api_respond_text(request, 302, "");
}

/* --- With --check-reads: a replica is asked for the blob before a client is sent there -------- */

struct check_op {
    struct api *api;
    struct http_request *request; /* NULL once the client is gone */
    struct key key;
    struct record record;
    int replica;    /* that is asked */
    unsigned tried; /* a bit each */
    struct transfer transfer;
};

static void check_next(struct check_op *op);

static void check_end(struct check_op *op)
{
    struct http_request *request = op->request;

    if (request != NULL && op->replica >= 0)
        respond_with(op->api, request, &op->key, &op->record, &op->record.replicas[op->replica]);
    else if (request != NULL)
        respond_none(request);
    operation_uncount(op->api);
    free(op);
}

static void log_missing(const struct volume *volume, int status)
{
    const char *name = volume != NULL ? volume->name : "?";

    if (api_volume_succeeded(0, status))
        log_warn("a replica is missing: volume %s has another disk now", name);
    else
        log_warn("a replica is missing: volume %s answered %d", name, status);
}

static void checked_cb(struct transfer *transfer, int rc, int status)
{
    struct check_op *op = transfer->data;
    const struct replica *replica = &op->record.replicas[op->replica];
    struct volume *volume = replica_volume(op->api->replicas, replica);

    if (volume != NULL)
        volume_report(volume, rc, status);
    if (volume != NULL && api_volume_succeeded(rc, status) &&
        strcmp(transfer->volume_id, volume->identity) == 0) {
        check_end(op);
        return;
    }
    if (rc == 0)
        log_missing(volume, status);
    op->tried |= 1U << op->replica;
    check_next(op);
}

static void check_next(struct check_op *op)
{
    struct api *api = op->api;
    char url[REPLICA_URL_MAX];

    while (op->request != NULL &&
           (op->replica = pick(api, op->request, &op->record, op->tried)) >= 0) {
        const struct replica *replica = &op->record.replicas[op->replica];

        op->transfer.data = op;
        op->transfer.is_suspect = &replica_live(api->replicas, replica)->is_suspect;
        if (replica_url(api->replicas, replica, &op->key, url) &&
            transfer_head(api->transfers, &op->transfer, url, checked_cb) == 0)
            return;
        op->tried |= 1U << op->replica;
    }
    check_end(op);
}

static void check_closed_cb(struct http_request *request)
{
    struct check_op *op = http_request_data(request);

    op->request = NULL;
}

static void check(struct api *api, struct http_request *request, const struct key *key,
                  const struct record *record)
{
    static const struct http_body_reader reader = {.closed = check_closed_cb};
    struct check_op *op = calloc(1, sizeof(*op));

    if (op == NULL) {
        api_respond_text(request, 503, "out of memory\n");
        return;
    }
    http_request_set_data(request, op);
    http_read_body(request, &reader);
    *op = (struct check_op){.api = api, .request = request, .key = *key, .record = *record};
    operation_count(api);
    check_next(op);
}

/* --- GET ------------------------------------------------------------------------------------- */

static void respond_found(struct api *api, struct http_request *request, const struct key *key,
                          const struct record *record)
{
    int replica;

    if (api->check_reads) {
        check(api, request, key, record);
        return;
    }
    replica = pick(api, request, record, 0);
    if (replica >= 0)
        respond_with(api, request, key, record, &record->replicas[replica]);
    else
        respond_none(request);
}

void api_get(struct api *api, struct http_request *request, const struct key *key)
{
    struct record record;
    int rc = store_get(api->store, STORE_KEYS, key->bytes, key->len, &record);

    if (rc == UV_ENOENT || (rc == 0 && (record.flags & RECORD_UNLINKED)))
        respond_missing(api, request);
    else if (rc < 0)
        api_respond_text(request, 500, "the index can't be read\n");
    else
        respond_found(api, request, key, &record);
}
