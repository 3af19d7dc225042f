/* An answer of XML that is made a piece at a time, as its client takes it, so that neither a long
 * list nor a crowd of clients needs memory. */
#ifndef MKV_S3_XML_STREAM_H
#define MKV_S3_XML_STREAM_H

#include <stdbool.h>

#include "index/base/buf.h"
#include "index/http/http.h"
#include "index/s3/respond.h"
#include "index/s3/xml_out.h"
#include "index/store/store.h"

/* What a turn says. */
enum { XML_STREAM_END, XML_STREAM_MORE, XML_STREAM_LATER = STORE_LATER };

/* Embedded in what makes the answer. */
struct xml_stream {
    struct xml_out xml; /* takes the next piece */
    struct buf out;
    /* Writes some more: for a millisecond, or until xml_stream_is_full(). It may find nothing to
     * write. XML_STREAM_MORE; XML_STREAM_END after the end of the document; negative, and then the
     * answer is cut off; or XML_STREAM_LATER, and xml_stream_turn() will follow. */
    int (*go_on)(void *arg);
    /* The answer is over, or its client gone, maybe during a turn that comes later: frees what it
     * is embedded in. */
    void (*free)(void *arg);
    void *arg;
    struct http_request *request; /* while the answer is sent */
};

void xml_stream_init(struct xml_stream *stream, int (*go_on)(void *arg), void (*free_cb)(void *arg),
                     void *arg);

/* Answers 200 with what was written already and what `go_on` will write; or 503 when that failed.
 * `free` will fire, maybe within this call. */
void xml_stream_start(struct xml_stream *stream, struct http_request *request,
                      const struct respond_ids *ids);

/* The turn that was to come later is over: what `go_on` would have returned. From the loop; `free`
 * may fire within. */
void xml_stream_turn(struct xml_stream *stream, int rc);

/* Whether there is as much as a client takes at once. */
static inline bool xml_stream_is_full(const struct xml_stream *stream)
{
    return buf_size(&stream->out) >= HTTP_STREAM_BOUND;
}

#endif
