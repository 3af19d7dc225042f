#include "index/s3/body_location.h"

#include <stdlib.h>
#include <string.h>

#include "index/s3/body_xml.h"

#define BODY_MAX 16384

enum { ROOT = 1, VALUE };

struct body_location {
    struct body_xml xml;
    char text[BODY_LOCATION_MAX + 1];
};

static int begin(void *arg, unsigned depth, const char *name)
{
    struct body_location *body = arg;

    if (depth == ROOT && strcmp(name, "CreateBucketConfiguration") != 0)
        return body_xml_refuse(&body->xml, S3_MALFORMED_XML);
    if (depth == VALUE && strcmp(name, "LocationConstraint") != 0)
        return body_xml_refuse(&body->xml, S3_NOT_IMPLEMENTED);
    return 0;
}

/* Any region will do. */
static int end(void *arg, unsigned depth, const char *name, const char *text, size_t len)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    struct body_location *body = arg;

    (void)name;
    if (depth != VALUE)
        return 0;
    if (len > BODY_LOCATION_MAX || strspn(text, allowed) != len)
        return body_xml_refuse(&body->xml, S3_ILLEGAL_LOCATION_CONSTRAINT);
    memcpy(body->text, text, len + 1);
    return 0;
}

static const struct xml_in_reader reader = {.begin = begin, .end = end};

struct body_location *body_location_new(void)
{
    struct body_location *body = calloc(1, sizeof(*body));

    if (body != NULL && body_xml_init(&body->xml, &reader, body, BODY_MAX) < 0) {
        free(body);
        return NULL;
    }
    return body;
}

enum s3_error body_location_add(struct body_location *body, const char *bytes, size_t n)
{
    return body_xml_add(&body->xml, bytes, n);
}

enum s3_error body_location_end(struct body_location *body)
{
    enum s3_error error = body_xml_end(&body->xml);

    return error == S3_MISSING_REQUEST_BODY ? S3_OK : error;
}

const char *body_location_text(const struct body_location *body)
{
    return body->text;
}

void body_location_free(struct body_location *body)
{
    if (body == NULL)
        return;
    body_xml_deinit(&body->xml);
    free(body);
}
