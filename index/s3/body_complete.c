#include "index/s3/body_complete.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/buf.h"
#include "index/base/hex.h"
#include "index/cluster/recipe.h"
#include "index/s3/body_xml.h"

static_assert(PART_NUMBER_MAX <= RECIPE_SOURCES_MAX, "all parts can be joined at once");

/* Some 420 bytes a part, indented and with a checksum. */
#define BODY_MAX (4 * 1024 * 1024)

enum { ROOT = 1, PART, VALUE };

struct body_complete {
    struct body_xml xml;
    struct complete_part part; /* the one that is read */
    bool has_number;
    bool has_etag;
    struct buf parts; /* struct complete_part each */
    unsigned n_parts;
};

static int begin(void *arg, unsigned depth, const char *name)
{
    struct body_complete *body = arg;

    if (depth == ROOT && strcmp(name, "CompleteMultipartUpload") != 0)
        return body_xml_refuse(&body->xml, S3_MALFORMED_XML);
    if (depth == PART && strcmp(name, "Part") != 0)
        return body_xml_refuse(&body->xml, S3_MALFORMED_XML);
    if (depth == PART) {
        memset(&body->part, 0, sizeof(body->part));
        body->has_number = false;
        body->has_etag = false;
    }
    return 0;
}

static enum s3_error read_number(struct body_complete *body, const char *text)
{
    char *end;
    long number = strtol(text, &end, 10); /* LONG_MAX or LONG_MIN when it is out of its bounds */

    if (end == text || *end != '\0' || body->has_number)
        return S3_MALFORMED_XML;
    if (number < 1 || number > PART_NUMBER_MAX)
        return S3_INVALID_ARGUMENT;
    body->has_number = true;
    body->part.number = (unsigned)number;
    return S3_OK;
}

/* With quotes or without. */
static enum s3_error read_etag(struct body_complete *body, const char *text, size_t len)
{
    char digits[2 * MD5_SIZE + 1] = "";

    if (body->has_etag)
        return S3_MALFORMED_XML;
    body->has_etag = true;
    if (len == 2 * MD5_SIZE + 2 && text[0] == '"' && text[len - 1] == '"') {
        text++;
        len -= 2;
    }
    if (len == 2 * MD5_SIZE)
        memcpy(digits, text, len);
    body->part.has_md5 = hex_read(digits, body->part.md5, MD5_SIZE);
    return S3_OK;
}

static enum s3_error read_checksum(struct body_complete *body, enum checksum_kind kind,
                                   const char *text, size_t len)
{
    unsigned n;

    if (body->part.checksum_kind != CHECKSUM_NONE ||
        checksum_parse(kind, text, len, body->part.checksum, &n) < 0 || n > 0)
        return S3_MALFORMED_XML;
    body->part.checksum_kind = kind;
    return S3_OK;
}

static enum s3_error read_value(struct body_complete *body, const char *name, const char *text,
                                size_t len)
{
    enum checksum_kind kind = checksum_of_element(name);

    if (strcmp(name, "PartNumber") == 0)
        return read_number(body, text);
    if (strcmp(name, "ETag") == 0)
        return read_etag(body, text, len);
    return kind != CHECKSUM_NONE ? read_checksum(body, kind, text, len) : S3_OK;
}

static enum s3_error keep_part(struct body_complete *body)
{
    const struct complete_part *parts = (const void *)buf_bytes(&body->parts);
    unsigned last = body->n_parts > 0 ? parts[body->n_parts - 1].number : 0;

    if (!body->has_number || !body->has_etag)
        return S3_MALFORMED_XML;
    if (body->part.number < last)
        return S3_INVALID_PART_ORDER;
    if (body->part.number == last) { /* a client that sent it twice lists it twice */
        body->n_parts--;
        buf_truncate(&body->parts, body->n_parts * sizeof(body->part));
    }
    if (buf_append(&body->parts, &body->part, sizeof(body->part)) < 0)
        return S3_INTERNAL_ERROR;
    body->n_parts++;
    return S3_OK;
}

static int end(void *arg, unsigned depth, const char *name, const char *text, size_t len)
{
    struct body_complete *body = arg;

    if (depth == VALUE)
        return body_xml_refuse(&body->xml, read_value(body, name, text, len));
    if (depth == PART)
        return body_xml_refuse(&body->xml, keep_part(body));
    if (depth == ROOT && body->n_parts == 0)
        return body_xml_refuse(&body->xml, S3_MALFORMED_XML);
    return 0;
}

static const struct xml_in_reader reader = {.begin = begin, .end = end};

struct body_complete *body_complete_new(void)
{
    struct body_complete *body = calloc(1, sizeof(*body));

    if (body != NULL && body_xml_init(&body->xml, &reader, body, BODY_MAX) < 0) {
        free(body);
        return NULL;
    }
    return body;
}

enum s3_error body_complete_add(struct body_complete *body, const char *bytes, size_t n)
{
    return body_xml_add(&body->xml, bytes, n);
}

enum s3_error body_complete_end(struct body_complete *body)
{
    enum s3_error error = body_xml_end(&body->xml);

    /* SDKs send nothing for an empty list. */
    return error == S3_MISSING_REQUEST_BODY ? S3_MALFORMED_XML : error;
}

const struct complete_part *body_complete_parts(const struct body_complete *body, unsigned *n)
{
    *n = body->n_parts;
    return (const void *)buf_bytes(&body->parts);
}

void body_complete_free(struct body_complete *body)
{
    if (body == NULL)
        return;
    body_xml_deinit(&body->xml);
    buf_deinit(&body->parts);
    free(body);
}
