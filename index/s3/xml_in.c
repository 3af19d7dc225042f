#include "index/s3/xml_in.h"

#include <assert.h>
#include <errno.h>
#include <expat.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Between a namespace and a name; no character of XML. */
#define SEPARATOR '\n'

/* expat keeps what isn't whole yet and reads it from its start again with each call (until 2.6), so
 * that a tag of N bytes which comes one byte at a time takes N * N steps. */
#define TOKEN_MAX 4096

#define PIECE 4096 /* bytes that expat is given at once */

struct xml_in {
    const struct xml_in_reader *reader;
    void *arg;
    XML_Parser parser;
    size_t left; /* bytes that may still come */
    size_t fed;  /* bytes that came */
    int error;   /* 0 while all is well */
    unsigned depth;
    size_t text_len;
    char text[XML_IN_TEXT_MAX + 1];
};

static void fail(struct xml_in *in, int error)
{
    if (in->error == 0)
        in->error = error;
    XML_StopParser(in->parser, XML_FALSE);
}

static const char *local_name(const char *name)
{
    const char *separator = strrchr(name, SEPARATOR);

    return separator != NULL ? separator + 1 : name;
}

static void begin_cb(void *arg, const XML_Char *name, const XML_Char **attributes)
{
    struct xml_in *in = arg;
    int rc;

    (void)attributes;
    in->depth++;
    in->text_len = 0;
    rc = in->depth <= XML_IN_DEPTH_MAX ? in->reader->begin(in->arg, in->depth, local_name(name))
                                       : -EBADMSG;
    if (rc < 0)
        fail(in, rc);
}

/* expat calls this once more after a failure in begin_cb() for <element/>. */
static void end_cb(void *arg, const XML_Char *name)
{
    struct xml_in *in = arg;
    int rc;

    if (in->error != 0)
        return;
    in->text[in->text_len] = '\0';
    rc = in->reader->end(in->arg, in->depth, local_name(name), in->text, in->text_len);
    if (rc < 0)
        fail(in, rc);
    in->depth--;
    in->text_len = 0;
}

static void text_cb(void *arg, const XML_Char *text, int len)
{
    struct xml_in *in = arg;

    if ((size_t)len > XML_IN_TEXT_MAX - in->text_len) {
        fail(in, -EBADMSG);
        return;
    }
    memcpy(in->text + in->text_len, text, (size_t)len);
    in->text_len += (size_t)len;
}

static void doctype_cb(void *arg, const XML_Char *name, const XML_Char *system_id,
                       const XML_Char *public_id, int has_internal_subset)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_internal_subset;
    fail(arg, -EBADMSG);
}

struct xml_in *xml_in_new(const struct xml_in_reader *reader, void *arg, size_t max)
{
    struct xml_in *in = malloc(sizeof(*in));

    if (in == NULL)
        return NULL;
    *in = (struct xml_in){.reader = reader, .arg = arg, .left = max};
    in->parser = XML_ParserCreateNS("UTF-8", SEPARATOR); /* whatever the document declares */
    if (in->parser == NULL) {
        free(in);
        return NULL;
    }
    XML_SetUserData(in->parser, in);
    XML_SetElementHandler(in->parser, begin_cb, end_cb);
    XML_SetCharacterDataHandler(in->parser, text_cb);
    XML_SetStartDoctypeDeclHandler(in->parser, doctype_cb);
    return in;
}

static int parse(struct xml_in *in, const char *bytes, size_t n, bool is_last)
{
    if (XML_Parse(in->parser, bytes, (int)n, is_last) == XML_STATUS_OK)
        return 0;
    if (in->error == 0)
        in->error = XML_GetErrorCode(in->parser) == XML_ERROR_NO_MEMORY ? -ENOMEM : -EBADMSG;
    return in->error;
}

/* How many bytes expat has kept, since what they are isn't known yet. */
static size_t count_kept(const struct xml_in *in)
{
    XML_Index index = XML_GetCurrentByteIndex(in->parser);

    return index < 0 || (size_t)index > in->fed ? 0 : in->fed - (size_t)index;
}

int xml_in_add(struct xml_in *in, const char *bytes, size_t n)
{
    if (in->error == 0 && n > in->left)
        in->error = -EMSGSIZE;
    while (in->error == 0 && n > 0) {
        size_t piece = n < PIECE ? n : PIECE;

        in->fed += piece;
        in->left -= piece;
        if (parse(in, bytes, piece, false) == 0 && count_kept(in) > TOKEN_MAX + PIECE)
            in->error = -EBADMSG;
        bytes += piece;
        n -= piece;
    }
    return in->error;
}

int xml_in_end(struct xml_in *in)
{
    if (in->error == 0 && in->fed == 0)
        in->error = -ENODATA;
    return in->error != 0 ? in->error : parse(in, "", 0, true);
}

void xml_in_free(struct xml_in *in)
{
    if (in == NULL)
        return;
    XML_ParserFree(in->parser);
    free(in);
}
