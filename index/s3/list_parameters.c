#include "index/s3/list_parameters.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "index/http/query.h"

struct reading {
    const char *query;
    size_t len;
    enum s3_error error;
    const char *message;
};

static void refuse(struct reading *r, const char *message)
{
    if (r->error != S3_OK)
        return;
    r->error = S3_INVALID_ARGUMENT;
    r->message = message;
}

/* A parameter of `size` bytes at most; whether there is one. */
static bool find(struct reading *r, const char *name, char *value, size_t size, size_t *len)
{
    int rc = query_find(r->query, r->len, name, value, size, len);

    if (rc == -EINVAL)
        refuse(r, "a '%' must be followed by two hexadecimal digits");
    else if (rc == -EMSGSIZE)
        refuse(r, "a parameter of the list is too long");
    return rc == 0;
}

static void read_text(struct reading *r, const char *name, struct list_text *text)
{
    text->len = 0;
    text->is_given = find(r, name, text->bytes, BUCKET_WALK_TEXT_MAX, &text->len);
}

static bool has(struct reading *r, const char *name)
{
    char value[1];
    size_t len;

    return query_find(r->query, r->len, name, value, sizeof(value), &len) != -ENOENT;
}

static bool is(struct reading *r, const char *name, const char *wanted)
{
    char value[16];
    size_t len = 0;

    return query_find(r->query, r->len, name, value, sizeof(value), &len) == 0 &&
           len == strlen(wanted) && memcmp(value, wanted, len) == 0;
}

/* Whether the parameter is there with this value. Another one, but an empty one, is refused. */
static bool is_only(struct reading *r, const char *name, const char *wanted, const char *message)
{
    bool as_wanted = is(r, name, wanted);

    if (!as_wanted && has(r, name) && !is(r, name, ""))
        refuse(r, message);
    return as_wanted;
}

/* Up to what Amazon takes; more than a page can have are read as that. An empty one is none. */
static unsigned read_max(struct reading *r, const char *name)
{
    uint64_t n = LIST_KEYS_MAX;
    int rc = is(r, name, "") ? -ENOENT : query_find_number(r->query, r->len, name, &n);

    if ((rc < 0 && rc != -ENOENT) || n > INT_MAX)
        refuse(r, "the size of a page must be an integer between 0 and 2147483647");
    return n < LIST_KEYS_MAX ? (unsigned)n : LIST_KEYS_MAX;
}

/* A V2 list goes on after what the token says, whatever start-after is. An empty token is none. */
static void read_token(struct reading *r, struct list_parameters *p)
{
    static const char wrong[] = "the continuation token provided is incorrect";
    char key[TOKEN_KEY_MAX];
    enum token_kind kind;

    p->has_token = find(r, "continuation-token", p->token, sizeof(p->token), &p->token_len);
    if (!p->has_token || p->token_len == 0)
        return;
    if (token_read(p->token, p->token_len, &kind, key, &p->after.len) != S3_OK ||
        p->after.len > BUCKET_WALK_TEXT_MAX) {
        refuse(r, wrong);
        return;
    }
    p->after.is_given = true;
    memcpy(p->after.bytes, key, p->after.len);
}

static void read_v2(struct reading *r, struct list_parameters *p)
{
    p->form = LIST_V2;
    read_text(r, "start-after", &p->marker);
    read_token(r, p);
    p->fetch_owner = is(r, "fetch-owner", "true");
}

static void set_after_upload(struct list_parameters *p)
{
    const struct list_text *key = &p->marker;
    const struct list_text *id = &p->version_marker;
    size_t id_len = id->len < UPLOAD_ID_LENGTH ? id->len : UPLOAD_ID_LENGTH;
    char *at = p->after.bytes;

    memcpy(at, key->bytes, key->len);
    at[key->len] = (char)(id_len > 0 ? UPLOAD_SEPARATOR : UPLOAD_SEPARATOR + 1);
    memcpy(at + key->len + 1, id->bytes, id_len);
    p->after_tail = 1 + id_len;
    p->after.len = key->len + p->after_tail;
    p->after.is_given = true;
}

/* A marker is the key and the id of an upload, or a key, and then all of its uploads are passed. */
static void read_uploads(struct reading *r, struct list_parameters *p)
{
    p->form = LIST_UPLOADS;
    p->fetch_owner = true;
    read_text(r, "key-marker", &p->marker);
    read_text(r, "upload-id-marker", &p->version_marker);
    if (p->marker.len > 0)
        set_after_upload(p);
}

static void read_versions(struct reading *r, struct list_parameters *p)
{
    p->form = LIST_VERSIONS;
    p->fetch_owner = true;
    read_text(r, "key-marker", &p->marker);
    read_text(r, "version-id-marker", &p->version_marker);
    if (p->version_marker.len > 0 && p->marker.len == 0)
        refuse(r, "a version-id marker cannot be specified without a key marker");
}

enum s3_error list_parameters_read(const char *query, size_t len, struct list_parameters *p,
                                   const char **message)
{
    struct reading r = {.query = query, .len = len};

    p->version_marker.len = p->after.len = p->after_tail = p->token_len = 0;
    p->version_marker.is_given = p->after.is_given = p->has_token = false;
    if (has(&r, "uploads")) {
        read_uploads(&r, p);
    } else if (has(&r, "versions")) {
        read_versions(&r, p);
    } else if (is_only(&r, "list-type", "2", "list-type must be 2")) {
        read_v2(&r, p);
    } else {
        p->form = LIST_V1;
        p->fetch_owner = true;
        read_text(&r, "marker", &p->marker);
    }
    read_text(&r, "prefix", &p->prefix);
    read_text(&r, "delimiter", &p->delimiter);
    p->max_keys = read_max(&r, p->form == LIST_UPLOADS ? "max-uploads" : "max-keys");
    p->encode_url =
        is_only(&r, "encoding-type", "url", "invalid encoding method specified in request");
    *message = r.message;
    return r.error;
}

struct bucket_query list_parameters_query(const struct list_parameters *p, const char *bucket,
                                          size_t bucket_len)
{
    const struct list_text *after = p->after.is_given ? &p->after : &p->marker;

    bool of_uploads = p->form == LIST_UPLOADS;

    return (struct bucket_query){
        .root = of_uploads ? UPLOAD_RECORDS : NULL,
        .tail = of_uploads ? UPLOAD_TAIL : 0,
        .after_tail = p->after_tail,
        .bucket = bucket,
        .bucket_len = bucket_len,
        .prefix = p->prefix.bytes,
        .prefix_len = p->prefix.len,
        .delimiter = p->delimiter.bytes,
        .delimiter_len = p->delimiter.len,
        .after = after->bytes,
        .after_len = after->len,
        .passes_prefix = p->form != LIST_V2,
        .only_utf8 = !p->encode_url,
        .max = p->max_keys,
    };
}
