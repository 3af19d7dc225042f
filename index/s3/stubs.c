/* Operations whose answer is always the same, as there is nothing of the kind: S3 has owners and
 * rights of its own, versions and tags, and clients ask for them. */
#include <stdlib.h>

#include "index/s3/buckets.h"
#include "index/s3/call.h"
#include "index/s3/meta.h"
#include "index/s3/owner.h"

static void respond(const struct call *call, struct buf *body, const struct xml_out *xml)
{
    respond_xml(call->request, 200, xml);
    buf_deinit(body);
}

static void head_found(const struct call *call, const struct record *record)
{
    (void)record;
    http_add_header(call->request, "x-amz-bucket-region", "us-east-1");
    http_respond(call->request, 200, "", 0);
}

void head_bucket(const struct call *call)
{
    call_find_target(call, head_found);
}

/* The bucket's record has it, if it has one. */
static void location_found(const struct call *call, const struct record *record)
{
    struct buf body = {.data = NULL};
    struct xml_out xml = {.buf = &body};
    struct meta_line location = {.value_len = 0};

    if (record != NULL)
        meta_find(record->meta, record->meta_len, "location", &location);
    xml_out_declare(&xml);
    xml_out_root(&xml, "LocationConstraint");
    xml_out_content(&xml, location.value, location.value_len);
    xml_out_close(&xml, "LocationConstraint");
    respond(call, &body, &xml);
}

static void look_for_location(const struct call *call, const struct record *record)
{
    struct key key;

    (void)record;
    bucket_record_key(call->target.bucket, call->target.bucket_len, &key);
    call_find_record(call, &key, location_found);
}

void get_location(const struct call *call)
{
    call_find_target(call, look_for_location);
}

static void write_grant(struct xml_out *xml)
{
    xml_out_open(xml, "Grant");
    xml_out_raw(xml, "<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
                     "xsi:type=\"CanonicalUser\">");
    owner_write_fields(xml);
    xml_out_close(xml, "Grantee");
    xml_out_string(xml, "Permission", "FULL_CONTROL");
    xml_out_close(xml, "Grant");
}

static void acl_found(const struct call *call, const struct record *record)
{
    struct buf body = {.data = NULL};
    struct xml_out xml = {.buf = &body};

    (void)record;
    xml_out_declare(&xml);
    xml_out_root(&xml, "AccessControlPolicy");
    owner_write(&xml);
    xml_out_open(&xml, "AccessControlList");
    write_grant(&xml);
    xml_out_close(&xml, "AccessControlList");
    xml_out_close(&xml, "AccessControlPolicy");
    respond(call, &body, &xml);
}

void get_acl(const struct call *call)
{
    call_find_target(call, acl_found);
}

/* An element without anything in it. */
static void respond_empty(const struct call *call, const char *name, const char *inside)
{
    struct buf body = {.data = NULL};
    struct xml_out xml = {.buf = &body};

    xml_out_declare(&xml);
    xml_out_root(&xml, name);
    if (inside != NULL) {
        xml_out_open(&xml, inside);
        xml_out_close(&xml, inside);
    }
    xml_out_close(&xml, name);
    respond(call, &body, &xml);
}

static void versioning_found(const struct call *call, const struct record *record)
{
    (void)record;
    respond_empty(call, "VersioningConfiguration", NULL);
}

void get_versioning(const struct call *call)
{
    call_find_target(call, versioning_found);
}

static void tagging_found(const struct call *call, const struct record *record)
{
    (void)record;
    respond_empty(call, "Tagging", "TagSet");
}

void get_tagging(const struct call *call)
{
    call_find_target(call, tagging_found);
}

static void policy_found(const struct call *call, const struct record *record)
{
    (void)record;
    call_fail(call, S3_NO_SUCH_BUCKET_POLICY, NULL);
}

void get_policy(const struct call *call)
{
    call_find_target(call, policy_found);
}

static void cors_found(const struct call *call, const struct record *record)
{
    (void)record;
    call_fail(call, S3_NO_SUCH_CORS_CONFIGURATION, NULL);
}

void get_cors(const struct call *call)
{
    call_find_target(call, cors_found);
}
