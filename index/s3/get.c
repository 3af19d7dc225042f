/* GET and HEAD of an object. The record says all but the bytes: preconditions, Range and partNumber
 * are judged here, and the volume is asked for one range. What the front fetches is a blob of one
 * generation, so that the bytes are those that the headers speak of. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "index/base/http_date.h"
#include "index/http/conditions.h"
#include "index/http/front.h"
#include "index/http/query.h"
#include "index/objects/copy_search.h"
#include "index/s3/call.h"
#include "index/s3/meta.h"
#include "index/s3/multipart.h"
#include "index/s3/parts.h"
#include "index/s3/range.h"
#include "index/s3/read_lines.h"

/* What a request reads of an object. */
struct reading {
    const struct call *call;
    const struct record *record;
    char etag[META_ETAG_SIZE];
    char modified[HTTP_DATE_SIZE];
    bool is_part; /* 206 */
    struct range range;
    int n_parts; /* that are told; 0: nothing is */
};

/* --- Preconditions --------------------------------------------------------------------------- */

/* False: answered. */
static bool check_conditions(struct reading *r)
{
    const struct call *call = r->call;
    struct conditions conditions;

    conditions_init(&conditions,
                    &(struct conditions_target){.etag = r->etag,
                                                .modified = (int64_t)(r->record->time / 1000),
                                                .takes_bare_tags = true});
    conditions_add_request(&conditions, call->request);
    switch (conditions_outcome(&conditions, true)) {
    case CONDITIONS_NOT_MODIFIED:
        http_add_header(call->request, "ETag", r->etag);
        http_add_header(call->request, "Last-Modified", r->modified);
        call_fail(call, S3_NOT_MODIFIED, NULL);
        return false;
    case CONDITIONS_FAIL:
        call_fail(call, S3_PRECONDITION_FAILED, NULL);
        return false;
    case CONDITIONS_MALFORMED:
        call_fail(call, S3_INVALID_ARGUMENT, "If-Match or If-None-Match is no list of ETags.");
        return false;
    case CONDITIONS_HOLD:
        break;
    }
    return true;
}

/* --- Which bytes ------------------------------------------------------------------------------ */

/* RFC 9110, section 13.1.5: of another version than the client has parts of, it gets all. */
static bool range_is_wanted(const struct reading *r)
{
    const char *condition = http_request_header(r->call->request, "If-Range");

    return condition == NULL || strcmp(condition, r->etag) == 0 ||
           strcmp(condition, r->modified) == 0;
}

/* An object that wasn't made of parts is its only one. (For a part that there isn't Amazon answers
 * 416 InvalidPartNumber; Ceph, whose suite many servers are held to, 400 InvalidPart.) */
static enum s3_error find_part(struct reading *r, unsigned number)
{
    const struct record *record = r->record;
    struct meta_line parts;
    int rc;

    r->is_part = true;
    if (!meta_find(record->meta, record->meta_len, "parts", &parts)) {
        r->range = (struct range){0, record->size};
        return number == 1 ? S3_OK : S3_INVALID_PART;
    }
    r->n_parts = parts_count(parts.value, parts.value_len);
    rc = parts_find(parts.value, parts.value_len, number, &r->range);
    if (rc == 0 &&
        (r->range.length > record->size || r->range.first > record->size - r->range.length))
        rc = -EINVAL;
    if (rc == -ENODATA)
        return S3_NOT_IMPLEMENTED;
    return rc == 0 ? S3_OK : rc == -ENOENT ? S3_INVALID_PART : S3_INTERNAL_ERROR;
}

/* S3_OK, or what is wrong, and *message. */
static enum s3_error find_range(struct reading *r, const char **message)
{
    const struct http_request *request = r->call->request;
    const char *header = http_request_header(request, "Range");
    int number = multipart_part_number(request);

    *message = NULL;
    if (number < 0) {
        *message = "partNumber must be a number from 1 to 10000.";
        return S3_INVALID_ARGUMENT;
    }
    if (number > 0 && header != NULL) {
        *message = "Cannot specify both Range header and partNumber query parameter.";
        return S3_INVALID_REQUEST;
    }
    if (number > 0)
        return find_part(r, (unsigned)number);
    switch (range_of(range_is_wanted(r) ? header : NULL, r->record->size, &r->range)) {
    case RANGE_UNSATISFIABLE:
        return S3_INVALID_RANGE;
    case RANGE_PART:
        r->is_part = true;
        break;
    case RANGE_WHOLE:
        break;
    }
    return S3_OK;
}

static void fail_range(const struct reading *r, enum s3_error error, const char *message)
{
    char text[RANGE_TEXT_MAX];

    if (error == S3_INVALID_RANGE) {
        range_content(NULL, r->record->size, text);
        http_add_header(r->call->request, "Content-Range", text);
    }
    call_fail(r->call, error, message);
}

/* --- Headers ---------------------------------------------------------------------------------- */

/* Parameters of the query that take the place of headers. */
static const struct override {
    const char *parameter;
    const char *line; /* of the metadata */
} overrides[] = {
    {"response-content-type", "type"},
    {"response-cache-control", "cache"},
    {"response-content-disposition", "disposition"},
    {"response-content-encoding", "encoding"},
    {"response-content-language", "language"},
    {"response-expires", "expires"},
};

#define N_OVERRIDES  (sizeof(overrides) / sizeof(overrides[0]))
#define OVERRIDE_MAX 1024 /* bytes */

/* 1 and the value; 0 when there is none; or negative when it can be no header. */
static int find_override(const struct http_request *request, const struct override *override,
                         char value[OVERRIDE_MAX], size_t *len)
{
    size_t query_len;
    const char *query = http_request_query(request, &query_len);
    int rc;

    if (query_len == 0)
        return 0;
    rc = query_find(query, query_len, override->parameter, value, OVERRIDE_MAX, len);
    if (rc == -ENOENT)
        return 0;
    for (size_t i = 0; rc == 0 && i < *len; i++) {
        if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
            rc = -EINVAL;
    }
    return rc < 0 ? rc : 1;
}

/* Who isn't known can't have others see an object as something else. */
static enum s3_error check_overrides(const struct call *call, const char **message)
{
    const bool is_anonymous = call->auth != NULL && call->auth->scheme == ACCESS_ANONYMOUS;
    char value[OVERRIDE_MAX];
    size_t len;

    for (size_t i = 0; i < N_OVERRIDES; i++) {
        int rc = find_override(call->request, &overrides[i], value, &len);

        if (rc != 0 && is_anonymous) {
            *message =
                "Request specific response headers cannot be used for anonymous GET requests.";
            return S3_INVALID_REQUEST;
        }
        if (rc < 0) {
            *message = "A response-... parameter can be no header.";
            return S3_INVALID_ARGUMENT;
        }
    }
    return S3_OK;
}

/* Adds those of the six headers that the query gives. Returns which, a bit each. */
static unsigned add_overrides(struct read_lines *lines, const struct http_request *request)
{
    char header[META_HEADER_MAX];
    char value[OVERRIDE_MAX];
    unsigned given = 0;
    size_t len;

    for (unsigned i = 0; i < N_OVERRIDES; i++) {
        const char *name = overrides[i].line;

        if (find_override(request, &overrides[i], value, &len) <= 0)
            continue;
        given |= 1U << i;
        meta_header(&(struct meta_line){.name = name, .name_len = strlen(name)}, header);
        read_lines_add(lines, header, value, len);
    }
    return given;
}

static bool is_overridden(const struct meta_line *line, unsigned given)
{
    for (unsigned i = 0; i < N_OVERRIDES; i++) {
        if ((given >> i & 1) && strlen(overrides[i].line) == line->name_len &&
            memcmp(overrides[i].line, line->name, line->name_len) == 0)
            return true;
    }
    return false;
}

static void add_client_lines(struct read_lines *lines, const struct reading *r)
{
    static const char default_type[] = "binary/octet-stream";
    const struct record *record = r->record;
    unsigned given = add_overrides(lines, r->call->request);
    bool has_type = given & 1;
    char header[META_HEADER_MAX];
    struct meta_line line;
    size_t at = 0;

    while (meta_next(record->meta, record->meta_len, &at, &line)) {
        if (is_overridden(&line, given) || !meta_header(&line, header))
            continue;
        has_type |= line.name_len == 4 && memcmp(line.name, "type", 4) == 0;
        read_lines_add(lines, header, line.value, line.value_len);
    }
    if (!has_type)
        read_lines_add(lines, "Content-Type", default_type, sizeof(default_type) - 1);
}

static void add_string(struct read_lines *lines, const char *name, const char *value)
{
    read_lines_add(lines, name, value, strlen(value));
}

/* Of the whole object, for who asks for it. */
static void add_checksum(struct read_lines *lines, const struct reading *r)
{
    const char *mode = http_request_header(r->call->request, "x-amz-checksum-mode");
    struct meta_line line;
    enum checksum_kind kind;

    if (r->is_part || mode == NULL || strcasecmp(mode, "ENABLED") != 0)
        return;
    kind = meta_checksum(r->record->meta, r->record->meta_len, &line);
    if (kind == CHECKSUM_NONE)
        return;
    read_lines_add(lines, checksum_header(kind), line.value, line.value_len);
    add_string(lines, "x-amz-checksum-type",
               meta_checksum_is_composite(&line) ? "COMPOSITE" : "FULL_OBJECT");
}

static void add_headers(struct read_lines *lines, const struct reading *r)
{
    char text[RANGE_TEXT_MAX];

    add_string(lines, "ETag", r->etag);
    add_string(lines, "Last-Modified", r->modified);
    add_string(lines, "Accept-Ranges", "bytes");
    if (lines->by_front)
        add_string(lines, "x-amz-id-2", r->call->ids.host);
    if (r->n_parts > 0) {
        snprintf(text, sizeof(text), "%d", r->n_parts);
        add_string(lines, "x-amz-mp-parts-count", text);
    }
    add_checksum(lines, r);
    add_client_lines(lines, r);
}

/* --- Answers ---------------------------------------------------------------------------------- */

/* By the index itself, which has no bytes: of a HEAD, or of none. */
static void respond_head(const struct reading *r)
{
    struct http_request *request = r->call->request;
    struct read_lines lines;
    char text[RANGE_TEXT_MAX];

    read_lines_begin(&lines, request, NULL, NULL);
    add_headers(&lines, r);
    if (r->is_part && r->range.length > 0) {
        range_content(&r->range, r->record->size, text);
        http_add_header(request, "Content-Range", text);
    }
    http_respond(request, r->is_part ? 206 : 200, NULL, r->range.length);
}

static void respond_none(const struct call *call)
{
    call_fail(call, S3_SERVICE_UNAVAILABLE, "No volume that has the object can be read.");
}

/* Without a front nobody else can fetch the blob than the client. */
static void redirect_client(const struct reading *r, const struct place *place,
                            struct volume *volume, const char *path)
{
    struct http_request *request = r->call->request;
    char url[VOLUME_READ_URL_MAX];

    volume_read_url(volume, place, path, "GET", url);
    http_add_header(request, "Location", url);
    http_respond(request, 307, "", 0);
}

/* nginx makes a file's ETag of its time and its size. So a volume whose file was cut off answers
 * 412, and not with what is left of it. After that it isn't asked so again, since a volume was
 * asked for the size before: a file that was put back by hand may have another time. */
static void add_tag(const struct reading *r)
{
    const struct record *record = r->record;
    char tag[2 * 16 + 4];

    if (record->generation == 0 || front_failures(r->call->request) > 0)
        return;
    snprintf(tag, sizeof(tag), "\"%llx-%llx\"", (unsigned long long)(record->time / 1000),
             (unsigned long long)record->size);
    http_add_header(r->call->request, "Mkv-Tag", tag);
}

static void respond_from(const struct reading *r, const struct place *place)
{
    const struct call *call = r->call;
    const struct key *key = &call->target.key;
    struct volume *volume = place_live(call->s3->objects->places, place);
    char path[PLACEMENT_PATH_MAX];
    char full[PLACEMENT_FULL_PATH_MAX];
    char text[RANGE_TEXT_MAX];
    char ticket[TICKET_SIZE];
    struct read_lines lines;

    if (volume == NULL) {
        respond_none(call);
        return;
    }
    placement_path(key->bytes, key->len, r->record->generation, path);
    if (front_port(call->request) == FRONT_NONE) {
        redirect_client(r, place, volume, path);
        return;
    }
    placement_full_path(place, path, full);
    read_lines_begin(&lines, call->request, volume->address, full);
    add_headers(&lines, r);
    if (r->is_part) {
        snprintf(text, sizeof(text), "bytes=%llu-%llu", (unsigned long long)r->range.first,
                 (unsigned long long)(r->range.first + r->range.length - 1));
        http_add_header(call->request, "Mkv-Range", text);
    }
    add_tag(r);
    if (volume_sign(volume, "GET", full, strlen(full), ticket))
        http_add_header(call->request, TICKET_HEADER, ticket);
    front_add_volume(call->request, volume->name);
    read_lines_redirect(&lines);
}

/* --- A copy that has it ------------------------------------------------------------------------
 */

struct search_op {
    struct call call; /* `request` NULL once the client is gone */
    bool spares;      /* volumes at which the front has failed, as long as there are others */
    struct copy_search search;
};

static bool ask(struct search_op *op, const struct record *record, unsigned tried);

/* Reads the head again: it was good before. False: answered. */
static bool reading_init(struct reading *r, const struct call *call, const struct record *record)
{
    const char *message;
    enum s3_error error;

    *r = (struct reading){.call = call, .record = record};
    meta_etag(record->meta, record->meta_len, record, r->etag);
    http_date_format(record->time / 1000, r->modified);
    if (!check_conditions(r))
        return false;
    error = find_range(r, &message);
    if (error == S3_OK)
        error = check_overrides(call, &message);
    if (error != S3_OK)
        fail_range(r, error, message);
    return error == S3_OK;
}

static void found_cb(struct copy_search *search, int place)
{
    struct search_op *op = search->data;
    const struct record record = search->record;
    struct reading reading;

    if (op->call.request != NULL && place < 0 && op->spares && ask(op, &record, 0))
        return;
    if (op->call.request != NULL && place < 0)
        respond_none(&op->call);
    else if (op->call.request != NULL && reading_init(&reading, &op->call, &record))
        respond_from(&reading, &record.places[place]);
    free(op);
}

static void closed_cb(struct http_request *request)
{
    struct search_op *op = http_request_data(request);

    op->call.request = NULL;
    copy_search_cancel(&op->search);
}

/* The places, as bits, at which the front has failed for this request. */
static unsigned tried_places(const struct call *call, const struct record *record)
{
    unsigned tried = 0;

    for (unsigned i = 0; i < record->n_places; i++) {
        const struct volume *volume = place_live(call->s3->objects->places, &record->places[i]);

        if (volume != NULL && front_has_failed(call->request, volume->address))
            tried |= 1U << i;
    }
    return tried;
}

static bool ask(struct search_op *op, const struct record *record, unsigned tried)
{
    op->spares = tried != 0;
    return copy_search_start(&op->search, op->call.s3->objects, &op->call.target.key, record, tried,
                             found_cb) == 0;
}

/* After a failure the tries are few: the volume is asked before the front is sent there. */
static void search_copy(const struct call *call, const struct record *record)
{
    struct search_op *op = malloc(sizeof(*op));

    if (op == NULL) {
        call_fail(call, S3_SERVICE_UNAVAILABLE, NULL);
        return;
    }
    op->call = *call;
    op->call.auth = NULL; /* it was asked for before */
    op->search.data = op;
    if (!ask(op, record, tried_places(call, record)) && !ask(op, record, 0)) {
        free(op);
        respond_none(call);
        return;
    }
    http_request_set_data(call->request, op);
    http_request_hold(call->request, closed_cb);
}

/* --- The operation -----------------------------------------------------------------------------
 */

static void respond_bytes(const struct reading *r)
{
    const struct call *call = r->call;
    unsigned failures = front_failures(call->request);
    int place = copy_pick(call->s3->objects, r->record, 0);

    if (place < 0 || failures >= FRONT_TRIES)
        respond_none(call);
    else if (http_request_method(call->request) == HTTP_METHOD_HEAD)
        respond_head(r);
    else if (failures > 0)
        search_copy(call, r->record);
    else
        respond_from(r, &r->record->places[place]);
}

static void object_found(const struct call *call, const struct record *record)
{
    struct reading reading;

    if (!reading_init(&reading, call, record))
        return;
    if (reading.range.length == 0) /* nobody is asked for nothing */
        respond_head(&reading);
    else
        respond_bytes(&reading);
}

void get_object(const struct call *call)
{
    call_find_target(call, object_found);
}
