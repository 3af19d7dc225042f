#include "index/s3/body_delete.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "index/base/buf.h"
#include "index/s3/body_xml.h"

enum { ROOT = 1, OBJECT, VALUE };

/* Offsets into the texts; NONE: it has none. */
struct entry {
    uint32_t key;
    uint32_t key_len;
    uint32_t etag;
    uint32_t version;
};

#define NONE UINT32_MAX

struct body_delete {
    struct body_xml xml;
    bool quiet;
    bool in_object;   /* the element at depth 2 is an Object */
    struct buf texts; /* each ends with a NUL */
    unsigned n;
    struct entry entries[BODY_DELETE_KEYS_MAX];
};

static int begin(void *arg, unsigned depth, const char *name)
{
    struct body_delete *body = arg;

    if (depth == ROOT && strcmp(name, "Delete") != 0)
        return body_xml_refuse(&body->xml, S3_MALFORMED_XML);
    if (depth != OBJECT)
        return 0;
    body->in_object = strcmp(name, "Object") == 0;
    if (!body->in_object)
        return 0;
    if (body->n == BODY_DELETE_KEYS_MAX)
        return body_xml_refuse(&body->xml, S3_MALFORMED_XML);
    body->entries[body->n++] = (struct entry){.key = NONE, .etag = NONE, .version = NONE};
    return 0;
}

/* Keeps the text and sets *offset, once. */
static enum s3_error keep(struct body_delete *body, const char *text, size_t len, uint32_t *offset)
{
    size_t at = buf_size(&body->texts);

    if (*offset != NONE)
        return S3_MALFORMED_XML;
    if (buf_append(&body->texts, text, len + 1) < 0)
        return S3_INTERNAL_ERROR;
    *offset = (uint32_t)at; /* BODY_DELETE_MAX at most */
    return S3_OK;
}

static enum s3_error read_value(struct body_delete *body, const char *name, const char *text,
                                size_t len)
{
    struct entry *entry = &body->entries[body->n - 1];

    if (strcmp(name, "Key") == 0) {
        entry->key_len = (uint32_t)len;
        return len > 0 ? keep(body, text, len, &entry->key) : S3_MALFORMED_XML;
    }
    if (strcmp(name, "ETag") == 0)
        return keep(body, text, len, &entry->etag);
    if (strcmp(name, "VersionId") == 0 && len > 0 && strcmp(text, "null") != 0)
        return keep(body, text, len, &entry->version);
    if (strcmp(name, "LastModifiedTime") == 0 || strcmp(name, "Size") == 0)
        return S3_NOT_IMPLEMENTED;
    return S3_OK;
}

static enum s3_error read_quiet(struct body_delete *body, const char *text)
{
    body->quiet = strcasecmp(text, "true") == 0;
    return body->quiet || strcasecmp(text, "false") == 0 ? S3_OK : S3_MALFORMED_XML;
}

/* Whether what must be in an element that ends was in it. */
static bool is_whole(const struct body_delete *body, unsigned depth)
{
    if (depth == OBJECT && body->in_object)
        return body->entries[body->n - 1].key != NONE;
    return depth != ROOT || body->n > 0;
}

static int end(void *arg, unsigned depth, const char *name, const char *text, size_t len)
{
    struct body_delete *body = arg;
    enum s3_error error = is_whole(body, depth) ? S3_OK : S3_MALFORMED_XML;

    if (depth == VALUE && body->in_object)
        error = read_value(body, name, text, len);
    else if (depth == OBJECT && strcmp(name, "Quiet") == 0)
        error = read_quiet(body, text);
    return body_xml_refuse(&body->xml, error);
}

static const struct xml_in_reader reader = {.begin = begin, .end = end};

struct body_delete *body_delete_new(void)
{
    struct body_delete *body = calloc(1, sizeof(*body));

    if (body != NULL && body_xml_init(&body->xml, &reader, body, BODY_DELETE_MAX) < 0) {
        free(body);
        return NULL;
    }
    return body;
}

enum s3_error body_delete_add(struct body_delete *body, const char *bytes, size_t n)
{
    return body_xml_add(&body->xml, bytes, n);
}

enum s3_error body_delete_end(struct body_delete *body)
{
    return body_xml_end(&body->xml);
}

bool body_delete_is_quiet(const struct body_delete *body)
{
    return body->quiet;
}

unsigned body_delete_count(const struct body_delete *body)
{
    return body->n;
}

struct delete_entry body_delete_entry(const struct body_delete *body, unsigned i)
{
    const struct entry *entry = &body->entries[i];
    const char *texts = buf_bytes(&body->texts);

    return (struct delete_entry){
        .key = texts + entry->key,
        .key_len = entry->key_len,
        .etag = entry->etag != NONE ? texts + entry->etag : NULL,
        .version = entry->version != NONE ? texts + entry->version : NULL,
    };
}

void body_delete_free(struct body_delete *body)
{
    if (body == NULL)
        return;
    body_xml_deinit(&body->xml);
    buf_deinit(&body->texts);
    free(body);
}
