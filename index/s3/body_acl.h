/* The body of PutBucketAcl and PutObjectAcl, which may only say what is so anyway: that the owner
 * may do everything, and nobody else anything. */
#ifndef MKV_S3_BODY_ACL_H
#define MKV_S3_BODY_ACL_H

#include <stdbool.h>
#include <stddef.h>

#include "index/s3/body_xml.h"

/* All zero before body_acl_init(). */
struct body_acl {
    struct body_xml xml;
    bool names_owner; /* the grant that is read, as the next */
    bool names_control;
    bool grants; /* the owner may do everything */
};

/* 0 or -ENOMEM. */
int body_acl_init(struct body_acl *body);
void body_acl_deinit(struct body_acl *body);

/* Reads some bytes, and the end, also of no bytes. S3_OK, or what is wrong, the same from then on:
 *   S3_MALFORMED_XML    it isn't that;
 *   S3_NOT_IMPLEMENTED  it grants something to somebody else, or less to the owner. */
enum s3_error body_acl_add(struct body_acl *body, const char *bytes, size_t n);
enum s3_error body_acl_end(struct body_acl *body);

#endif
