#include "index/s3/body_xml.h"

#include <errno.h>

int body_xml_init(struct body_xml *xml, const struct xml_in_reader *reader, void *arg, size_t max)
{
    xml->error = S3_OK;
    xml->in = xml_in_new(reader, arg, max);
    return xml->in != NULL ? 0 : -ENOMEM;
}

void body_xml_deinit(struct body_xml *xml)
{
    xml_in_free(xml->in);
}

int body_xml_refuse(struct body_xml *xml, enum s3_error error)
{
    if (error == S3_OK)
        return 0;
    xml->error = error;
    return -ECANCELED;
}

static enum s3_error take(struct body_xml *xml, int rc)
{
    if (rc == 0 || xml->error != S3_OK)
        return xml->error;
    if (rc == -ENOMEM)
        xml->error = S3_INTERNAL_ERROR;
    else if (rc == -ENODATA)
        xml->error = S3_MISSING_REQUEST_BODY;
    else
        xml->error = S3_MALFORMED_XML;
    return xml->error;
}

enum s3_error body_xml_add(struct body_xml *xml, const char *bytes, size_t n)
{
    return take(xml, xml_in_add(xml->in, bytes, n));
}

enum s3_error body_xml_end(struct body_xml *xml)
{
    return take(xml, xml_in_end(xml->in));
}
