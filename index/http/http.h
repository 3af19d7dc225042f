/* HTTP/1.1 server (RFC 9112) on a libuv loop: connections in, requests to one handler, answers out.
 * The only room that knows llhttp.
 *
 * A connection carries one exchange at a time; pipelined requests wait in the socket or in a small
 * buffer. An exchange is over when the message has been read and the answer written, in either
 * order: an answer given before the body has come ends the connection gently when the rest is long,
 * by reading and dropping for a while so that the answer isn't lost to a reset. */
#ifndef MKV_HTTP_H
#define MKV_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct http_server;
struct http_request;

/* Milliseconds that a connection has for its first request, even when others want its place. */
#define HTTP_YOUNG 1000

/* A streamed answer asks for more while less than this waits to be sent. What one callback writes
 * comes on top. */
#define HTTP_STREAM_BOUND (16 * 1024)

enum http_method {
    HTTP_METHOD_GET,
    HTTP_METHOD_HEAD,
    HTTP_METHOD_PUT,
    HTTP_METHOD_DELETE,
    HTTP_METHOD_UNLINK,
    HTTP_METHOD_POST,
    HTTP_METHOD_REBALANCE,
    HTTP_METHOD_OTHER, /* whatever else llhttp knows; what it doesn't is answered 405 right here,
                          with the server's methods */
};

/* Limits; times in milliseconds. Each deadline is checked once a second. */
struct http_limits {
    size_t connections;    /* each listening socket has the same share of them; for a further one
                              the one that has waited longest for a request, or for the rest of its
                              head, is closed, unless that is less than HTTP_YOUNG; else it is
                              answered 503 and closed, or waits */
    size_t proxies;        /* the first so many sockets are for a proxy of ours, which keeps idle
                              connections: none of theirs is closed for another one */
    size_t streams;        /* streamed answers at once that aren't small: struct http_writer */
    unsigned head_timeout; /* from the first byte of a head to its last */
    unsigned body_timeout; /* without a byte of the body, while the handler wants some */
    unsigned idle_timeout; /* between exchanges */
    unsigned
        write_timeout; /* for an answer, or a piece of a streamed one, the client doesn't take */
};

extern const struct http_limits http_default_limits;

/* As many connections of clients as are wanted, or half of the descriptors that this process may
 * have (RLIMIT_NOFILE), if that is less: the other half is for files and for connections that are
 * not clients'. */
size_t http_connections_max(size_t wanted);

/* Fires once a request when its head is complete. `request` lives until it is answered or
 * `closed` has fired, its body reader's or its writer's. The handler answers with http_respond(),
 * or starts to with http_respond_start(), at once or later; later only after http_read_body(),
 * http_request_hold() or http_request_wait(). */
typedef void (*http_handler_cb)(struct http_request *request, void *arg);

/* What an exchange that isn't answered at once wants to hear. `data` and `end` may be NULL: then
 * the body is dropped. */
struct http_body_reader {
    /* Some bytes, len > 0, valid during the call. */
    void (*data)(struct http_request *request, const char *bytes, size_t len);
    /* The body is whole. Fires at once after http_read_body() for a message without one. */
    void (*end)(struct http_request *request);
    /* The client is gone, or was cut off, before the answer: no more callbacks, and `request` must
     * not be touched again. */
    void (*closed)(struct http_request *request);
    /* Bytes of the body a second that the client has to send: it has http_limits.body_timeout for
     * all of it, and a second more for each so many that came. 0: it has that for each next byte.
     */
    unsigned least_rate;
};

/* Where the bytes of a streamed answer come from: http_respond_start(). */
struct http_writer {
    /* Less than HTTP_STREAM_BOUND bytes wait to be sent: the handler writes some, or finishes, or
     * fails. Fires from the loop, once after the start; then once more whenever something was
     * written since, from here or elsewhere. So a handler that has nothing to write now may return,
     * and write when it has, and one whose source is at hand is asked until it finishes. */
    void (*more)(struct http_request *request);
    /* The client is gone, or was cut off, before the finish: no more callbacks, and `request` must
     * not be touched again. Never fires inside a call on the request. */
    void (*closed)(struct http_request *request);
    /* Where there are http_limits.streams already, the answer isn't a 503: it waits for one of them
     * to end before `more` fires. For answers that are short. */
    bool waits;
    /* It is none of http_limits.streams: for an answer of few bytes that takes its time. */
    bool is_small;
};

/* Starts a server that answers on `n` bound sockets, n > 0, each of them TCP or Unix (whose name in
 * the file system stays the caller's to remove). On success they are the server's, and *server
 * lives until the stop callback. `methods`, borrowed, are those that the handler serves, as the
 * header Allow lists them. 0 or a negative UV_E* with the sockets untouched. */
int http_server_start(uv_loop_t *loop, const int *sockets, size_t n,
                      const struct http_limits *limits, const char *methods,
                      http_handler_cb handler, void *arg, struct http_server **server);

/* Lets connections wait in the sockets' queues, from now on, until http_server_release(); a stop
 * before that drops them. */
void http_server_hold(struct http_server *server);
void http_server_release(struct http_server *server);

/* Stops accepting on the listening sockets from the one at index `first` on. */
void http_server_close_listeners(struct http_server *server, size_t first);

/* Stops accepting, closes idle connections, lets exchanges end, and fires `cb` from the loop once
 * the last connection is gone; `server` is freed just before. */
void http_server_stop(struct http_server *server, void (*cb)(void *arg), void *arg);

/* Cuts off whatever still runs. Only after http_server_stop(), before its callback. */
void http_server_abort(struct http_server *server);

/* --- A request, until it is answered --------------------------------------------------------- */

enum http_method http_request_method(const struct http_request *request);

/* The path as sent, percent-encoded, from its '/' to before the '?'; "*" for OPTIONS. Not
 * terminated. It lives as long as the request. */
const char *http_request_path(const struct http_request *request, size_t *len);

/* The query as sent: the bytes after the first '?', maybe none, or NULL when there is no '?' (*len
 * is 0 then). Not terminated. Lives like the path. */
const char *http_request_query(const struct http_request *request, size_t *len);

/* The first header of that name (any case), terminated by a NUL, or NULL. Lives like the path. */
const char *http_request_header(const struct http_request *request, const char *name);

/* The value of the header at `index`, from 0 in the order they came, and its *name, both terminated
 * by a NUL; NULL after the last one. A name may come more than once. Lives like the path. */
const char *http_request_header_at(const struct http_request *request, unsigned index,
                                   const char **name);

/* The body's length in bytes: 0 for none, -1 when it is chunked and so unknown. */
int64_t http_request_content_length(const struct http_request *request);

/* Whether whoever has the other end of the connection is on this machine: it is a Unix socket, or
 * its address is one of loopback. */
bool http_request_is_local(struct http_request *request);

/* What the request is called, by which its client, the logs of the front and of the volumes, and
 * whoever is asked for help mean the same one: 32 lower-case hexadecimal digits. The front's nginx
 * makes them for each request, or the client of --direct; where none came, we do. Lives as long as
 * the request. Not for several threads at once. */
#define HTTP_REQUEST_ID_HEADER "X-Request-Id"
#define HTTP_REQUEST_ID_SIZE   33
const char *http_request_id(struct http_request *request);

/* Writes 16 digits that are the same for all requests of this process, and no other's. */
#define HTTP_PROCESS_ID_SIZE 17
void http_process_id(char id[HTTP_PROCESS_ID_SIZE]);

/* As requests name it; "" for HTTP_METHOD_OTHER. */
const char *http_method_name(enum http_method method);

/* The handler's own pointer. */
void http_request_set_data(struct http_request *request, void *data);
void *http_request_data(const struct http_request *request);

/* Asks for the body, and sends "100 Continue" where the client waits for it. `reader` is borrowed
 * and must outlive the request. At most once a request. Only from the handler, or after
 * http_request_wait(), and then no callback fires inside. */
void http_read_body(struct http_request *request, const struct http_body_reader *reader);

/* Keeps a request whose body means nothing, to answer it later: the body is dropped. `closed` fires
 * when the client goes before that, as a reader's. At most once, and not with http_read_body(). */
void http_request_hold(struct http_request *request, void (*closed)(struct http_request *request));

/* Leaves it to later what is done with the request: the body isn't read, and a client that asks
 * whether to send it waits, until http_read_body(), http_request_hold(), or an answer. `closed`
 * fires when the client is seen to go before that; of one that still sends its body, it isn't. Only
 * from the handler. */
void http_request_wait(struct http_request *request, void (*closed)(struct http_request *request));

/* Back-pressure, for readers without a least rate: no bytes are read from the client between pause
 * and resume. A little that has been read already (64 KiB at most) may still come. Neither fires a
 * callback. */
void http_pause_body(struct http_request *request);
void http_resume_body(struct http_request *request);

/* Adds a header to the answer. When it can't, for lack of memory or because the value holds a
 * control character, the answer becomes a 500: half of its headers would make it a wrong one. */
void http_add_header(struct http_request *request, const char *name, const char *value);

/* Answers, with `len` bytes of `body` (left out for HEAD, where it may be NULL, and Content-Length
 * kept) and the headers added before. Ends the handler's hold on `request`: no callback fires any
 * more, but for the handler itself, which this call may run for the client's next request. */
void http_respond(struct http_request *request, int status, const char *body, size_t len);

/* The same, with a line of text or none, and 503 with Retry-After. */
void http_respond_text(struct http_request *request, int status, const char *text);

/* Starts an answer whose length isn't known, with the headers added before; `status` is one that
 * has a body. It goes out chunked, or to a client of HTTP/1.0 as all bytes up to the end of the
 * connection. What is still to come of the request's body is dropped, and its reader hears nothing
 * any more. `writer` is borrowed and must outlive the request. True: the request goes on until
 * http_finish(), http_fail() or `closed`, of which one comes exactly once. False: the answer has no
 * body (HEAD, or a header that could not be added, a 500), can't be sent, or is a 503, since there
 * are http_limits.streams already and all of their clients read; it is over as after
 * http_respond(), and no callback fires. One whose client has read nothing for a second makes room
 * instead: it is cut off, and its `closed` fires soon. */
bool http_respond_start(struct http_request *request, int status, const struct http_writer *writer)
    __attribute__((warn_unused_result));

/* Appends `len` bytes (0 does nothing), which are copied, in `more` or at any time between start
 * and finish; those written when `more` has not asked take memory without a bound. When memory is
 * short the client is cut off soon after, and `closed` fires then. */
void http_write(struct http_request *request, const char *bytes, size_t len);

/* Ends a streamed answer, and the handler's hold on `request`, as http_respond() does. */
void http_finish(struct http_request *request);

/* Cuts the connection in mid-answer, so that the client can tell it from a whole one: the last
 * chunk is missing, or a TCP client of HTTP/1.0 sees a reset. (One on a Unix socket can't tell.)
 * Ends the handler's hold; no callback fires. */
void http_fail(struct http_request *request);

#endif
