/* Who owns all buckets and objects: S3 wants somebody, and mkv knows no owners. */
#ifndef MKV_S3_OWNER_H
#define MKV_S3_OWNER_H

#include "index/s3/xml_out.h"

#define OWNER_ID   "6d6b760000000000000000000000000000000000000000000000000000000000"
#define OWNER_NAME "mkv"

/* The fields of an element that names an owner. */
static inline void owner_write_fields(struct xml_out *out)
{
    xml_out_string(out, "ID", OWNER_ID);
    xml_out_string(out, "DisplayName", OWNER_NAME);
}

static inline void owner_write(struct xml_out *out)
{
    xml_out_open(out, "Owner");
    owner_write_fields(out);
    xml_out_close(out, "Owner");
}

#endif
