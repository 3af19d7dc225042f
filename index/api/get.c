/* GET and HEAD: where the blob is. The bytes never pass through here. */
#include "index/api/get.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/api/check_read.h"
#include "index/base/hex.h"
#include "index/http/conditions.h"
#include "index/http/front.h"
#include "index/objects/copy_search.h"

static void respond_missing(struct api *api, struct http_request *request)
{
    char location[8 + VOLUME_ADDRESS_MAX + 3 * KEY_MAX];
    const char *path;
    size_t len;

    if (api->fallback == NULL) {
        http_respond_text(request, 404, "");
        return;
    }
    path = http_request_path(request, &len);
    snprintf(location, sizeof(location), "%s%s%.*s", volume_name_scheme(api->fallback),
             api->fallback, (int)len, path);
    http_add_header(request, "Location", location);
    http_respond_text(request, 302, "");
}

/* The names of all places, comma-separated. */
static void volumes_text(struct places *places, const struct record *record, char *text,
                         size_t size)
{
    char name[PLACE_TEXT_MAX];
    size_t n = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < record->n_places && n < size; i++) {
        if (place_text(places, &record->places[i], name))
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
    struct places *places = api->objects->places;
    char volumes[PLACES_MAX * PLACE_TEXT_MAX];

    volumes_text(places, record, volumes, sizeof(volumes));
    http_add_header(request, "Key-Volumes", volumes);
    http_add_header(request, "Key-Balance",
                    places_are_best(places, key, record) ? "balanced" : "unbalanced");
}

/* --- Which copy --------------------------------------------------------------------------- */

unsigned get_tried(struct api *api, const struct http_request *request, const struct record *record)
{
    unsigned tried = 0;

    if (front_failures(request) == 0)
        return 0;
    for (unsigned i = 0; i < record->n_places; i++) {
        const struct volume *volume = place_live(api->objects->places, &record->places[i]);

        if (volume != NULL && front_has_failed(request, volume->address))
            tried |= 1U << i;
    }
    return tried;
}

void get_respond_none(struct http_request *request)
{
    http_respond_text(request, 503, "no volume that has the value can be read\n");
}

static const char *method_of(const struct http_request *request)
{
    return http_request_method(request) == HTTP_METHOD_HEAD ? "HEAD" : "GET";
}

/* Tells the front where to fetch the blob: the path is the blob's, below its subvolume. ADDRESS is
 * the IP:PORT that the volume answers at, so that nginx needs to look up nothing, and to know
 * nothing of the volumes:
 *
 *     front ──▶ index   GET /key, Mkv-Reads: proxy
 *           ◀──         X-Accel-Redirect: /_mkv/blob/ADDRESS/PATH, Mkv-Ticket: TICKET
 *     front ──▶ volume  GET /PATH, Mkv-Ticket: TICKET; should that fail:
 *     front ──▶ index   GET /key, Mkv-Reads: proxy, Mkv-Failed: ,ADDRESS
 */
static void respond_by_front(struct http_request *request, const struct place *place,
                             const char *path, struct volume *volume)
{
    char uri[sizeof("/_mkv/blob/") + ADDRESS_TEXT_MAX + PLACEMENT_FULL_PATH_MAX];
    char full[PLACEMENT_FULL_PATH_MAX];
    char ticket[TICKET_SIZE];

    placement_full_path(place, path, full);
    if (volume_sign(volume, method_of(request), full, strlen(full), ticket))
        http_add_header(request, TICKET_HEADER, ticket);
    snprintf(uri, sizeof(uri), "/_mkv/blob/%s%s", volume->address, full);
    http_add_header(request, "X-Accel-Redirect", uri);
    front_add_volume(request, volume->name);
    http_respond_text(request, 200, "");
}

void get_respond_with(struct api *api, struct http_request *request, const struct key *key,
                      const struct record *record, const struct place *place)
{
    struct volume *volume = place_live(api->objects->places, place);
    char path[PLACEMENT_PATH_MAX];
    char url[VOLUME_READ_URL_MAX];

    if (volume == NULL) {
        get_respond_none(request);
        return;
    }
    placement_path(key->bytes, key->len, record->generation, path);
    add_volumes(api, request, key, record);
    add_validators(request, record);
    if (front_proxies_reads(request)) {
        respond_by_front(request, place, path, volume);
        return;
    }
    volume_read_url(volume, place, path, method_of(request), url);
    http_add_header(request, "Location", url);
    http_respond_text(request, 302, "");
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
        http_respond_text(request, 304, "");
        return false;
    case CONDITIONS_FAIL:
        http_respond_text(request, 412, "the value has another ETag (If-Match)\n");
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
    unsigned failures = front_failures(request);
    int place;

    if (failures >= FRONT_TRIES) {
        get_respond_none(request);
        return;
    }
    if (api->check_reads || failures > 0) { /* the tries are few */
        check_read(api, request, key, record);
        return;
    }
    place = copy_pick(api->objects, record, 0);
    if (place >= 0)
        get_respond_with(api, request, key, record, &record->places[place]);
    else
        get_respond_none(request);
}

static void respond(struct api *api, struct http_request *request, const struct key *key, int rc,
                    const struct record *record)
{
    if (rc == UV_ENOENT || (rc == 0 && (record->flags & RECORD_UNLINKED)))
        respond_missing(api, request);
    else if (rc < 0)
        http_respond_text(request, api_status(rc), "the index can't be read\n");
    else if (check_conditions(request, record))
        respond_found(api, request, key, record);
}

/* One that waits for the store. */
struct get {
    struct api *api;
    struct http_request *request;
    struct key key;
    struct store_reading reading;
};

static void got_cb(struct store_reading *reading, int rc, const struct record *record)
{
    struct get *get = reading->data;

    respond(get->api, get->request, &get->key, rc, record);
    free(get);
}

static void closed_cb(struct http_request *request)
{
    struct get *get = http_request_data(request);

    store_cancel(get->api->objects->store, &get->reading);
    free(get);
}

/* Looks the key up where that may take a while. */
static int look_up(struct api *api, struct http_request *request, const struct key *key,
                   struct record *record)
{
    struct get *get = malloc(sizeof(*get));
    int rc;

    if (get == NULL)
        return UV_ENOMEM;
    *get = (struct get){.api = api, .request = request, .key = *key};
    get->reading.data = get;
    rc = objects_look_up(api->objects, &get->reading, &get->key, record, got_cb);
    if (rc == STORE_LATER) {
        http_request_set_data(request, get);
        http_request_wait(request, closed_cb);
    } else {
        free(get);
    }
    return rc;
}

void api_get(struct api *api, struct http_request *request, const struct key *key)
{
    struct record record;
    int rc = api->objects->store->is_prompt
                 ? objects_look_up(api->objects, NULL, key, &record, NULL)
                 : look_up(api, request, key, &record);

    if (rc != STORE_LATER)
        respond(api, request, key, rc, &record);
}
