/* What the bodies of S3 requests that are XML have in common: a document that is read as it comes,
 * and what is wrong with it as an error of S3. */
#ifndef MKV_S3_BODY_XML_H
#define MKV_S3_BODY_XML_H

#include "index/s3/error.h"
#include "index/s3/xml_in.h"

struct body_xml {
    struct xml_in *in;
    enum s3_error error; /* what is wrong, S3_OK so far */
};

/* As xml_in_new(). 0 or -ENOMEM. */
int body_xml_init(struct body_xml *xml, const struct xml_in_reader *reader, void *arg, size_t max);
void body_xml_deinit(struct body_xml *xml);

/* For readers: refuses the document for that error, or goes on for S3_OK. */
int body_xml_refuse(struct body_xml *xml, enum s3_error error);

/* Some bytes of the body, and its end. What is wrong, the same from then on. A body that isn't
 * there is S3_MISSING_REQUEST_BODY. */
enum s3_error body_xml_add(struct body_xml *xml, const char *bytes, size_t n);
enum s3_error body_xml_end(struct body_xml *xml);

#endif
