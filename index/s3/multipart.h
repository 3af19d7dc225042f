/* What the operations on a multipart upload share.
 *
 * An upload is a record of its own (upload_key.h, mark.h), whose metadata is what its object is to
 * have; its parts are objects in mkv's own key space. When it is completed, the record goes by the
 * commit that makes the object: completion.h. */
#ifndef MKV_S3_MULTIPART_H
#define MKV_S3_MULTIPART_H

#include "index/s3/body_complete.h"
#include "index/s3/call.h"
#include "index/s3/upload_key.h"
#include "index/s3/xml_out.h"

struct multipart {
    char id[UPLOAD_ID_SIZE];
    struct key key;          /* of its record */
    enum checksum_kind kind; /* of the checksum that its object is to have, or CHECKSUM_NONE */
    bool is_composite;
};

/* Looks up the upload that the query's uploadId names, and goes on with its record, or NULL when it
 * has none. A query whose uploadId hasn't the form of one is answered. */
void multipart_find(const struct call *call, call_found_cb found);

/* The upload of that record, after multipart_find(). False, and it is answered, where there is no
 * record. */
bool multipart_read(const struct call *call, const struct record *record,
                    struct multipart *multipart);

/* Reads id and key of the upload alone. False where the query's uploadId hasn't the form of one. */
bool multipart_read_key(const struct call *call, struct multipart *multipart);

/* Reads the rest of its record. */
void multipart_read_record(const struct record *record, struct multipart *multipart);

/* The query's partNumber, 1 to PART_NUMBER_MAX; 0 when there is none; -EINVAL for anything else. */
int multipart_part_number(const struct http_request *request);

#define MULTIPART_BAD_NUMBER "Part number must be an integer between 1 and 10000, inclusive"

/* "COMPOSITE" or "FULL_OBJECT". */
const char *multipart_checksum_type(bool is_composite);

/* Writes the elements ChecksumAlgorithm and ChecksumType, if it is to have a checksum; and those
 * that name who began it and owns it. */
void multipart_write_algorithm(struct xml_out *xml, enum checksum_kind kind, bool is_composite);
void multipart_write_owner(struct xml_out *xml);

#endif
