/* Writes XML into a buffer. A document is the calls one after the other; whether memory was short
 * is asked once, at the end. */
#ifndef MKV_S3_XML_OUT_H
#define MKV_S3_XML_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/base/buf.h"

#define XML_OUT_NAMESPACE "http://s3.amazonaws.com/doc/2006-03-01/"

/* Set `buf`, borrowed, and zero the rest. What is in `buf` stays, so that a document can be written
 * and sent in pieces. */
struct xml_out {
    struct buf *buf;
    bool failed; /* memory was short: the document isn't whole */
};

/* The declaration. */
void xml_out_declare(struct xml_out *out);

/* The tag that begins the outermost element, in S3's namespace. */
void xml_out_root(struct xml_out *out, const char *name);

void xml_out_open(struct xml_out *out, const char *name);
void xml_out_close(struct xml_out *out, const char *name);

/* Elements with a value. Text: bytes that XML can't hold as they are come as references, control
 * bytes as "&#xN;" (which no XML 1.0 parser takes, as from Amazon: hence encoding-type=url), and
 * bytes that aren't UTF-8 as U+FFFD. */
void xml_out_text(struct xml_out *out, const char *name, const char *text, size_t len);
void xml_out_content(struct xml_out *out, const char *text, size_t len); /* without tags */
void xml_out_string(struct xml_out *out, const char *name, const char *text);
void xml_out_number(struct xml_out *out, const char *name, uint64_t number);
void xml_out_bool(struct xml_out *out, const char *name, bool value);

/* Milliseconds since 1970, as "2006-10-12T17:50:30.000Z". */
void xml_out_time(struct xml_out *out, const char *name, uint64_t ms);

/* Any bytes, as encoding-type=url wants them: all but letters, digits and "-._~/" are
 * percent-encoded. */
void xml_out_url(struct xml_out *out, const char *name, const char *text, size_t len);

/* Bytes as they are, say a space between elements. */
void xml_out_raw(struct xml_out *out, const char *text);

#endif
