/* GET and HEAD: where the blob is. The bytes never pass through here. */
#include <stdio.h>
#include <string.h>

#include "index/api/api.h"
#include "index/base/hex.h"

static void respond_missing(struct api *api, struct http_request *request)
{
    char location[8 + 300 + 3 * KEY_MAX];
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

/* Balanced: the replicas are where a PUT would place them today. */
static bool is_balanced(struct api *api, const struct key *key, const struct record *record)
{
    struct replica wanted[RECORD_REPLICAS_MAX];
    unsigned n = record->n_replicas;

    if (n > api->n_volumes)
        return false;
    api_place(api, key, n, wanted);
    for (unsigned i = 0; i < n; i++) {
        if (wanted[i].volume != record->replicas[i].volume ||
            wanted[i].has_subvolume != record->replicas[i].has_subvolume ||
            wanted[i].subvolume != record->replicas[i].subvolume)
            return false;
    }
    return true;
}

/* The names of all replicas, comma-separated. */
static void volumes_text(struct api *api, const struct record *record, char *text, size_t size)
{
    char name[API_VOLUME_MAX];
    size_t n = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < record->n_replicas && n < size; i++) {
        if (api_volume_text(api, &record->replicas[i], name))
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

static void respond_found(struct api *api, struct http_request *request, const struct key *key,
                          const struct record *record)
{
    char url[API_URL_MAX];
    char volumes[RECORD_REPLICAS_MAX * API_VOLUME_MAX];

    if (!api_replica_url(api, &record->replicas[0], key, url)) {
        api_respond_text(request, 500, "the index does not know the key's volume\n");
        return;
    }
    http_add_header(request, "Location", url);
    add_validators(request, record);
    volumes_text(api, record, volumes, sizeof(volumes));
    http_add_header(request, "Key-Volumes", volumes);
    http_add_header(request, "Key-Balance",
                    is_balanced(api, key, record) ? "balanced" : "unbalanced");
    api_respond_text(request, 302, "");
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
