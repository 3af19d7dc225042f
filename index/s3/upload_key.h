/* Keys of multipart uploads: an upload's record is UPLOAD_RECORDS, BUCKET/KEY/ID, and each of its
 * parts UPLOAD_PARTS, ID/NUMBER with five digits. */
#ifndef MKV_S3_UPLOAD_KEY_H
#define MKV_S3_UPLOAD_KEY_H

#define UPLOAD_RECORDS   "/_mkv/s3/upload/"
#define UPLOAD_PARTS     "/_mkv/s3/part/"
#define UPLOAD_ID_LENGTH 32 /* lower-case hexadecimal digits */

#endif
