/* Reads the XML that clients send, as it comes, in bounded memory and time. The only user of expat.
 *
 * What it takes: UTF-8, elements in any namespace or none, text. What it refuses: a document type
 * (so there are no entities but the five that XML has), elements nested deeper than
 * XML_IN_DEPTH_MAX, text of one element longer than XML_IN_TEXT_MAX, a tag longer than some KiB,
 * and more bytes in all than the caller allows. */
#ifndef MKV_S3_XML_IN_H
#define MKV_S3_XML_IN_H

#include <stddef.h>

#define XML_IN_DEPTH_MAX 8
#define XML_IN_TEXT_MAX  4096 /* bytes, decoded */

struct xml_in;

/* What a document is read for. Each returns 0, or negative to refuse the document: xml_in_add()
 * returns that, and no more is called. Names are without their namespace, terminated, and expire
 * with the call. */
struct xml_in_reader {
    /* An element begins; the outermost has depth 1. */
    int (*begin)(void *arg, unsigned depth, const char *name);
    /* It ends: `text` is what stood in it after the last element inside, `len` bytes and a NUL. */
    int (*end)(void *arg, unsigned depth, const char *name, const char *text, size_t len);
};

/* `reader` and `arg` are borrowed. `max`: bytes of the document. NULL when memory is short. */
struct xml_in *xml_in_new(const struct xml_in_reader *reader, void *arg, size_t max);

/* Reads some bytes. 0; -EBADMSG for what isn't XML or is refused as said above; -EMSGSIZE for too
 * many bytes; -ENOMEM; or what the reader returned. After a failure each call returns the same. */
int xml_in_add(struct xml_in *in, const char *bytes, size_t n);

/* There are no more bytes. The same; and -ENODATA if there were none at all. Only xml_in_free() may
 * follow. */
int xml_in_end(struct xml_in *in);

/* NULL does nothing. */
void xml_in_free(struct xml_in *in);

#endif
