/* GET and HEAD: where the blob is. The bytes never pass through here. */
#include "index/api/get.h"

#include <stdio.h>
#include <string.h>

#include "index/api/check_read.h"
#include "index/api/conditions.h"
#include "index/api/proxy_read.h"
#include "index/base/hex.h"

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

void get_etag(const struct record *record, char etag[GET_ETAG_MAX])
{
    if (record->flags & RECORD_MD5) {
        etag[0] = '"';
        hex_write(record->md5, RECORD_MD5_SIZE, etag + 1);
        strcpy(etag + 1 + 2 * RECORD_MD5_SIZE, "\"");
    } else {
        snprintf(etag, GET_ETAG_MAX, "\"%llx-%llx\"", (unsigned long long)record->time,
                 (unsigned long long)record->size);
    }
}

static void add_validators(struct http_request *request, const struct record *record)
{
    char md5[2 * RECORD_MD5_SIZE + 1];
    char etag[GET_ETAG_MAX];

    if (record->flags & RECORD_MD5) {
        hex_write(record->md5, RECORD_MD5_SIZE, md5);
        http_add_header(request, "Content-Md5", md5);
    }
    get_etag(record, etag);
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

/* --- Which replica --------------------------------------------------------------------------- */

int get_pick(struct api *api, const struct http_request *request, const struct record *record,
             unsigned tried)
{
    int live[RECORD_REPLICAS_MAX];
    unsigned n = 0;

    for (unsigned i = 0; i < record->n_replicas; i++) {
        const struct volume *volume = replica_live(api->replicas, &record->replicas[i]);

        if (volume != NULL && !(tried >> i & 1) && !proxy_read_has_failed(request, volume))
            live[n++] = (int)i;
    }
    return n > 0 ? live[api->turn++ % n] : -1;
}

void get_respond_none(struct http_request *request)
{
    api_respond_text(request, 503, "no volume that has the value can be read\n");
}

void get_respond_with(struct api *api, struct http_request *request, const struct key *key,
                      const struct record *record, const struct replica *replica)
{
    const struct volume *volume = replica_live(api->replicas, replica);
    char url[REPLICA_URL_MAX];

    if (volume == NULL || !replica_url(api->replicas, replica, key, url)) {
        get_respond_none(request);
        return;
    }
    add_volumes(api, request, key, record);
    add_validators(request, record);
    if (proxy_read_is_wanted(request)) {
        proxy_read_respond(request, key, replica, volume);
        return;
    }
    http_add_header(request, "Location", url);
    api_respond_text(request, 302, "");
}

/* --- GET ------------------------------------------------------------------------------------- */

/* Judges the request's preconditions by the index's own ETag. The volume judges dates and its own
 * ETag, which its answer shows, and what is no list of tags. False: answered. */
static bool check_conditions(struct http_request *request, const struct record *record)
{
    char etag[GET_ETAG_MAX];
    struct conditions conditions;

    get_etag(record, etag);
    conditions_init(&conditions, &(struct conditions_target){.etag = etag,
                                                             .modified = CONDITIONS_NO_TIME,
                                                             .volume_knows = true});
    conditions_add_request(&conditions, request);
    switch (conditions_outcome(&conditions, true)) {
    case CONDITIONS_NOT_MODIFIED:
        http_add_header(request, "ETag", etag);
        api_respond_text(request, 304, "");
        return false;
    case CONDITIONS_FAIL:
        api_respond_text(request, 412, "the value has another ETag (If-Match)\n");
        return false;
    case CONDITIONS_HOLD:
    case CONDITIONS_MALFORMED:
        break;
    }
    return true;
}

static void respond_found(struct api *api, struct http_request *request, const struct key *key,
                          const struct record *record)
{
    unsigned failures = proxy_read_failures(request);
    int replica;

    if (failures >= PROXY_READ_TRIES) {
        get_respond_none(request);
        return;
    }
    if (api->check_reads || failures > 0) { /* the tries are few */
        check_read(api, request, key, record);
        return;
    }
    replica = get_pick(api, request, record, 0);
    if (replica >= 0)
        get_respond_with(api, request, key, record, &record->replicas[replica]);
    else
        get_respond_none(request);
}

void api_get(struct api *api, struct http_request *request, const struct key *key)
{
    struct record record;
    int rc = store_get(api->store, STORE_KEYS, key->bytes, key->len, &record);

    if (rc == UV_ENOENT || (rc == 0 && (record.flags & RECORD_UNLINKED)))
        respond_missing(api, request);
    else if (rc < 0)
        api_respond_text(request, 500, "the index can't be read\n");
    else if (check_conditions(request, &record))
        respond_found(api, request, key, &record);
}
