#include "index/s3/body_acl.h"

#include <string.h>

#include "index/s3/owner.h"

#define BODY_MAX (64 * 1024)

static int begin(void *arg, unsigned depth, const char *name)
{
    struct body_acl *body = arg;

    if (depth == 1 && strcmp(name, "AccessControlPolicy") != 0)
        return body_xml_refuse(&body->xml, S3_MALFORMED_XML);
    if (strcmp(name, "Grant") == 0)
        body->names_owner = body->names_control = false;
    return 0;
}

/* What ends says only what is so anyway. A grantee is known by its ID; one by an address or a group
 * is somebody else. */
static bool is_so(struct body_acl *body, unsigned depth, const char *name, const char *text)
{
    if (strcmp(name, "ID") == 0) {
        body->names_owner = strcmp(text, OWNER_ID) == 0;
        return body->names_owner;
    }
    if (strcmp(name, "Permission") == 0) {
        body->names_control = strcmp(text, "FULL_CONTROL") == 0;
        return body->names_control;
    }
    if (strcmp(name, "Grant") == 0)
        body->grants = body->names_owner && body->names_control;
    if (strcmp(name, "Grant") == 0 || depth == 1)
        return body->grants;
    return strcmp(name, "URI") != 0 && strcmp(name, "EmailAddress") != 0;
}

static int end(void *arg, unsigned depth, const char *name, const char *text, size_t len)
{
    struct body_acl *body = arg;

    (void)len;
    return body_xml_refuse(&body->xml, is_so(body, depth, name, text) ? S3_OK : S3_NOT_IMPLEMENTED);
}

static const struct xml_in_reader reader = {.begin = begin, .end = end};

int body_acl_init(struct body_acl *body)
{
    *body = (struct body_acl){.grants = false};
    return body_xml_init(&body->xml, &reader, body, BODY_MAX);
}

void body_acl_deinit(struct body_acl *body)
{
    body_xml_deinit(&body->xml);
}

enum s3_error body_acl_add(struct body_acl *body, const char *bytes, size_t n)
{
    return body_xml_add(&body->xml, bytes, n);
}

enum s3_error body_acl_end(struct body_acl *body)
{
    enum s3_error error = body_xml_end(&body->xml);

    return error == S3_MISSING_REQUEST_BODY ? S3_OK : error;
}
