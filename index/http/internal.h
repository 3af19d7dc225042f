/* What the files of this room share. */
#ifndef MKV_HTTP_INTERNAL_H
#define MKV_HTTP_INTERNAL_H

#include <llhttp.h>
#include <sys/queue.h>

#include "index/base/buf.h"
#include "index/http/http.h"

#define HTTP_READ_SIZE    (64 * 1024) /* bytes one read takes from a socket */
#define HTTP_TARGET_MAX   (8 * 1024)  /* bytes of a request target; more is answered 414 */
#define HTTP_HEAD_MAX     (24 * 1024) /* bytes of target and headers; more is answered 431 */
#define HTTP_HEADERS_MAX  100         /* header fields; more are answered 431 */
#define HTTP_DISCARD_MAX  (64 * 1024) /* unread body that is dropped to keep a connection */
#define HTTP_LINGER_BYTES (4 << 20)   /* unread body that is dropped before a connection closes */
#define HTTP_LINGER_TIME  5000        /* milliseconds that this may take */

/* A listening socket or a connection's, TCP or Unix. */
union socket_handle {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

/* A header field as offsets into struct http_request's `head`. */
struct http_header {
    uint32_t name;
    uint32_t value;
};

struct http_request {
    enum http_method method;
    size_t target_len;                            /* the target starts at offset 0 of head */
    struct buf head;                              /* target, then name NUL value NUL ... */
    struct http_header headers[HTTP_HEADERS_MAX]; /* in the order they came */
    unsigned n_headers;
    bool in_value;                         /* the parser is inside a header's value */
    int64_t content_length;                /* -1: chunked */
    const struct http_body_reader *reader; /* NULL: the body is dropped */
    const struct http_writer *writer;      /* of a streamed answer until its finish, or NULL */
    void *data;                            /* the handler's */
    bool bad_headers;                      /* http_add_header() has failed */
    struct buf answer_headers;             /* what http_add_header() collected */
};

/* What a connection waits for from its client. Apart from that it may wait for the client to take
 * answers (`writing`), and reads nothing then; and for the handler to finish a streamed answer
 * (request.writer), in the state that the message has led to: BODY, ANSWER or LINGER. */
enum conn_state {
    CONN_IDLE,   /* the first byte of a request */
    CONN_HEAD,   /* the rest of a head */
    CONN_BODY,   /* the rest of a body, which goes to the reader, or is dropped once answered */
    CONN_ANSWER, /* nothing: the message is read, the handler's turn */
    CONN_LINGER, /* the end of what it still sends: answered, dropping, then closing */
    CONN_ENDING, /* nothing: answered and read; closing when the answer is written */
    CONN_CLOSED, /* nothing: the close callback is to come */
};

struct http_conn {
    union socket_handle socket; /* first, so that a handle is its connection */
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct http_server *server;
    LIST_ENTRY(http_conn) link;       /* in server->conns */
    TAILQ_ENTRY(http_conn) turn_link; /* in server->turns, while `turning` */
    enum conn_state state;
    uint64_t deadline;       /* for the client to send, loop time in ms, UINT64_MAX for none */
    uint64_t write_deadline; /* for the client to take answers, likewise */
    llhttp_t parser;
    struct http_request request;
    struct buf in;     /* read, but behind the message that is being answered */
    struct buf out;    /* answers not yet handed to the socket */
    struct buf flight; /* answers that the socket is writing */
    size_t dropped;    /* bytes dropped while lingering */
    size_t held;       /* bytes at a message's start that the parser hasn't seen: of "REBALANCE " */
    int refusal;       /* status that a parser callback wants to fail with, or 0 */
    bool parsing;      /* inside llhttp_execute(): answers gather in `out` */
    bool reading;      /* between uv_read_start() and uv_read_stop() */
    bool shut;         /* our side is closed, so that the client sees the end of its answer */
    bool writing;      /* `flight` is on its way */
    bool begun;        /* the parser is within a message */
    bool rebalance;    /* its method is REBALANCE */
    bool head_read;    /* the current exchange has its whole head */
    bool message_read; /* the current exchange has its whole message */
    bool answered;     /* the current exchange has its answer, or the start of one */
    bool close_after;  /* no exchange follows the current one */
    bool eof;          /* the client has sent its last byte */
    bool paused;       /* by http_pause_body() */
    bool chunked;      /* the streamed answer is */
    bool reset;   /* closing must be a reset: an orderly end would make a cut answer look whole */
    bool hungry;  /* the streamed answer has had something written since `more` fired */
    bool turning; /* the streamed answer is filled in the loop's next turn */
    bool filling; /* inside `more`: what it writes gathers in `out` */
    bool broken;  /* the streamed answer can't be sent whole: close where callbacks may fire */
};

LIST_HEAD(http_conn_list, http_conn);
TAILQ_HEAD(http_conn_queue, http_conn);

struct http_listener {
    union socket_handle socket; /* first */
    struct http_server *server;
    bool waiting; /* a connection is not accepted: the server is held, or lacks memory, and then
                     the sweep tries again */
};

struct http_server {
    uv_loop_t *loop;
    struct http_limits limits;
    http_handler_cb handler;
    void *arg;
    struct http_listener *listeners;
    size_t n_listeners;
    struct http_conn_list conns;
    size_t n_conns;
    struct http_conn_queue turns; /* streamed answers that wait for theirs */
    size_t n_turns;
    uv_idle_t turn;   /* runs while there are any */
    uv_timer_t sweep; /* every second: deadlines and the date */
    unsigned open;    /* listeners and connections whose close callback is to come */
    unsigned handles; /* of the two before, likewise */
    bool held;        /* connections wait */
    bool refusing;    /* accept(2) failed in this second, and it was logged */
    bool stopping;
    void (*stop_cb)(void *arg);
    void *stop_arg;
    char date[48]; /* the header of the current second: RFC 9110, section 5.6.7 */
    char read_buffer[HTTP_READ_SIZE]; /* shared: libuv fills it only right before its callback */
};

static inline struct http_conn *request_conn(struct http_request *request)
{
    return (struct http_conn *)((char *)request - offsetof(struct http_conn, request));
}

/* conn.c */
/* False when memory is short; libuv then reports no connection until one is accepted. */
bool conn_accept(struct http_server *server, union socket_handle *listener);
void conn_set_state(struct http_conn *conn, enum conn_state state);

/* Ends an exchange by a parser's or a timer's word: `status`, then the connection closes. */
void conn_refuse(struct http_conn *conn, int status);

/* Goes on where an answer, a written answer or a new state allows it. No-op while parsing
 * or filling. */
void conn_continue(struct http_conn *conn);

/* Gives up on a client whose deadline has passed. */
void conn_expire(struct http_conn *conn);
void conn_close(struct http_conn *conn);

/* parse.c: feeds `n` bytes; what lies behind a message without an answer goes to conn->in. */
void parse_init(struct http_conn *conn);
void parse_bytes(struct http_conn *conn, const char *bytes, size_t n);

/* response.c */
void response_append(struct http_conn *conn, int status, const char *body, size_t len);

/* Appends the head of an answer, with `framing` lines of its own. 0 or -ENOMEM. */
int response_append_head(struct http_conn *conn, int status, const char *framing);

/* Takes the request from its handler. Whether so much of its body is still to come that closing is
 * better than dropping it. */
bool response_begin(struct http_conn *conn);

/* The answer is all there: on to the rest of the message, to the next one or to the end. */
void response_end(struct http_conn *conn, bool linger);

/* stream.c */
/* In the next turn of the loop the handler is asked for more, if it has had something written. */
void stream_wake(struct http_conn *conn);
/* Not any more. */
void stream_forget(struct http_conn *conn);
void stream_turn_cb(uv_idle_t *turn);

/* server.c */
/* Prepares `socket` for a connection or a listener, of a Unix socket where `local`. */
void server_init_socket(struct http_server *server, union socket_handle *socket, bool local);

/* One of the counted handles has closed; with the last one the server goes. */
void server_handle_closed(struct http_server *server);

#endif
