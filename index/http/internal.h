/* What the files of this room share. */
#ifndef MKV_HTTP_INTERNAL_H
#define MKV_HTTP_INTERNAL_H

#include <llhttp.h>
#include <sys/queue.h>

#include "index/base/buf.h"
#include "index/http/http.h"
#include "index/http/meter.h"

#define HTTP_READ_SIZE    (64 * 1024) /* bytes one read takes from a socket */
#define HTTP_TARGET_MAX   (8 * 1024)  /* bytes of a request target; more is answered 414 */
#define HTTP_LINE_MAX     (16 * 1024) /* bytes of a line of a head; more is answered 431 */
#define HTTP_HEAD_MAX     (64 * 1024) /* bytes of a head; more is answered 431 */
#define HTTP_HEADERS_MAX  100         /* header fields; more are answered 431 */
#define HTTP_FRONT_FIELDS 6           /* that a proxy may add to what its client sent, ... */
#define HTTP_FRONT_BYTES  (4 * 1024)  /* ... and their bytes: both come on top of the limits */
#define HTTP_DISCARD_MAX  (64 * 1024) /* unread body that is dropped to keep a connection */
#define HTTP_LINGER_BYTES (4 << 20)   /* unread body that is dropped before a connection closes */
#define HTTP_LINGER_TIME  5000        /* milliseconds that this may take */
#define HTTP_BUFFER_KEPT  (8 * 1024)  /* bytes of a buffer that a connection keeps while idle */

/* Connections over a listener's share that it answers with 503 at once. Those over that, too, wait
 * in the socket's queue. */
#define HTTP_REFUSALS 64

/* Nanoseconds that one turn of the loop gives to what can wait for the next one: pieces of streamed
 * answers, and pipelined requests behind a connection's first. All connections share them. */
#define HTTP_TURN_TIME    1000000
#define HTTP_TURN_SWEEP   128 /* connections whose deadlines one turn looks at */
#define HTTP_TURN_ACCEPTS 64  /* connections that a listener accepts in one turn */

/* A streamed answer whose client takes nothing for so many milliseconds gives its place to another,
 * if there are too many. */
#define HTTP_STALL_TIME 1000

/* Unsent bytes of a streamed answer that the kernel may hold for a TCP client. A client that reads
 * isn't slowed down by it, since it doesn't count what is on its way. */
#define HTTP_SEND_BUFFER (128 * 1024)

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
    size_t target_len; /* the target starts at offset 0 of head */
    struct buf head;   /* target, then name NUL value NUL ... */
    struct http_header headers[HTTP_HEADERS_MAX + HTTP_FRONT_FIELDS]; /* in the order they came */
    unsigned n_headers;
    bool in_value;                         /* the parser is inside a header's value */
    int64_t content_length;                /* -1: chunked */
    const struct http_body_reader *reader; /* NULL: the body is dropped */
    struct http_body_reader holder;        /* the reader of http_request_hold() */
    uint64_t body_begun;                   /* loop time at which the reader came, */
    uint64_t body_read;                    /* and bytes that it was given */
    const struct http_writer *writer;      /* of a streamed answer until its finish, or NULL */
    void *data;                            /* the handler's */
    char id[HTTP_REQUEST_ID_SIZE];         /* "" until somebody asks for it */
    unsigned kind;                         /* meter.h, as what follows */
    int status;                            /* METER_GONE before there is an answer */
    uint64_t begun;                        /* uv_hrtime() at the end of the head, or 0 */
    uint64_t body_written;                 /* bytes of the answer's body */
    bool is_counted;
    bool bad_headers;          /* http_add_header() has failed */
    struct buf answer_headers; /* what http_add_header() collected */
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

/* Where in a message the parser is. */
enum parse_phase {
    PARSE_START,  /* before one; of the exchange of the moment everything is read */
    PARSE_HEAD,   /* in its head */
    PARSE_BODY,   /* in a body whose length the head told */
    PARSE_CHUNKS, /* in a chunked body */
};

/* What a streamed answer waits for. */
enum stream_state {
    STREAM_QUIET,  /* its handler, which had nothing to write when it was asked, or hasn't been */
    STREAM_HUNGRY, /* room: something was written since `more` fired, so it is to fire again */
    STREAM_BROKEN, /* nothing: it can't be sent whole, and is closed where callbacks may fire */
};

/* The grammar of a head, byte by byte: head.c. */
enum head_state {
    HEAD_METHOD,
    HEAD_TARGET_FIRST,
    HEAD_TARGET,
    HEAD_VERSION,
    HEAD_FIELD_FIRST, /* or the end */
    HEAD_NAME,
    HEAD_VALUE,
    HEAD_LINE_LF,
    HEAD_END_LF,
    HEAD_END,
    HEAD_BAD,
    HEAD_LONG, /* the line is, or the head */
};

struct head_scan {
    enum head_state state;
    size_t line;    /* bytes of the line so far */
    size_t total;   /* of the head */
    size_t version; /* of the version */
};

/* The chunked coding, byte by byte: chunks.c. */
enum chunk_state {
    CHUNK_SIZE_FIRST,
    CHUNK_SIZE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_TRAILERS,
    CHUNK_END,
    CHUNK_BAD,
};

struct chunks {
    enum chunk_state state;
    uint64_t left; /* bytes of the chunk's data, or its size so far */
    size_t line;   /* bytes of the line with its size */
    struct head_scan trailers;
};

struct http_conn {
    union socket_handle socket; /* first, so that a handle is its connection */
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct http_server *server;
    struct http_listener *listener;    /* that it came by */
    TAILQ_ENTRY(http_conn) link;       /* in server->conns */
    TAILQ_ENTRY(http_conn) quiet_link; /* in listener->quiet, in CONN_IDLE and CONN_HEAD */
    TAILQ_ENTRY(http_conn) turn_link;  /* in server->turns, while `turning` */
    LIST_ENTRY(http_conn) stream_link; /* in server->streams, while `streaming` */
    TAILQ_ENTRY(http_conn) wait_link;  /* in server->waiting, while `waiting` */
    enum conn_state state;
    uint64_t since;          /* loop time of the state's begin */
    uint64_t deadline;       /* for the client to send, loop time in ms, UINT64_MAX for none */
    uint64_t write_deadline; /* for the client to take answers, likewise */
    llhttp_t parser;
    enum parse_phase phase;
    struct head_scan head;
    struct chunks chunks;
    struct http_request request;
    struct buf in;     /* read, but after the message that is being answered, or of a body that
                          nobody reads yet */
    struct buf out;    /* answers not yet handed to the socket */
    struct buf flight; /* answers that the socket is writing */
    size_t dropped;    /* bytes dropped while lingering */
    size_t held;       /* bytes at a message's start that the parser hasn't seen: of "REBALANCE " */
    int refusal;       /* status that a parser callback wants to fail with, or 0 */
    enum stream_state stream;
    bool gathering;   /* inside parse_bytes() or `more`: answers gather in `out` */
    bool reading;     /* between uv_read_start() and uv_read_stop() */
    bool shut;        /* our side is closed, so that the client sees the end of its answer */
    bool writing;     /* `flight` is on its way */
    bool rebalance;   /* the message's method is REBALANCE */
    bool answered;    /* the current exchange has its answer, or the start of one */
    bool close_after; /* no exchange follows the current one */
    bool eof;         /* the client has sent its last byte */
    bool paused;      /* by http_pause_body() */
    bool undecided;   /* by http_request_wait(): what is read waits in `in` */
    bool end_due;     /* the reader is to hear that the body, which there is none of, is whole */
    bool chunked;     /* the streamed answer is */
    bool reset;     /* closing must be a reset: an orderly end would make a cut answer look whole */
    bool turning;   /* it has something to do in the loop's next turn */
    bool streaming; /* it counts as one of the streamed answers of the moment */
    bool waiting;   /* for a place among them, so that `more` doesn't fire */
};

TAILQ_HEAD(http_conn_queue, http_conn);
LIST_HEAD(http_conn_list, http_conn);

struct http_listener {
    uv_poll_t poll; /* first; started while connections are accepted */
    struct http_server *server;
    int fd;
    bool local;                   /* a Unix socket */
    bool failed;                  /* accept(2) has, in this second */
    bool is_proxys;               /* its clients are a proxy of ours */
    size_t n_conns;               /* that came by it, and aren't closed */
    struct http_conn_queue quiet; /* those that wait for a request, or the rest of its head: the one
                                     that has longest is the first */
};

struct http_server {
    uv_loop_t *loop;
    struct http_limits limits;
    size_t share;        /* connections of each listener */
    const char *methods; /* that it serves, for Allow */
    http_handler_cb handler;
    void *arg;
    struct meter *meter; /* or NULL */
    struct http_listener *listeners;
    size_t n_listeners;
    struct http_conn_queue conns; /* the next to be swept first */
    size_t n_conns;
    struct http_conn_queue turns; /* those that have something to do in the next turn */
    size_t n_turns;
    struct http_conn_list streams; /* those with a streamed answer */
    size_t n_streams;
    struct http_conn_queue waiting; /* those whose answer waits for a place, the next one first */
    uv_idle_t turn;                 /* runs while there is something to do in the next turn */
    uv_check_t turned;              /* gives each turn its time */
    uint64_t turn_end;              /* uv_hrtime() when it is over, 0 while none of it was used */
    size_t to_sweep;                /* connections that this second's sweep has still to look at */
    uv_timer_t sweep;               /* every second: deadlines and the date */
    uint64_t complained; /* loop time at which a failing accept(2) was logged, 0 for never */
    unsigned open;       /* listeners and connections whose close callback is to come */
    unsigned handles;    /* of the three before, likewise */
    bool held;           /* connections wait */
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
/* Accepts a connection. 0, -EAGAIN when there is none, or another negative errno. */
int conn_accept(struct http_listener *listener);
void conn_set_state(struct http_conn *conn, enum conn_state state);

/* Ends an exchange by a parser's or a timer's word: `status`, then the connection closes. */
void conn_refuse(struct http_conn *conn, int status);

/* Goes on where an answer, a written answer or a new state allows it. No-op while gathering. */
void conn_continue(struct http_conn *conn);

/* The handler has said at last what to do with the body. */
void conn_decided(struct http_conn *conn);

/* What the connection put off to the next turn of the loop. */
void conn_turn(struct http_conn *conn);

/* Closes it, or gives up on its client, when one of its deadlines has passed. */
void conn_check_deadlines(struct http_conn *conn, uint64_t now);
void conn_close(struct http_conn *conn);

/* parse.c: feeds `n` bytes. Returns how many were taken; the others are to be given again, and lie
 * after a message that waits for its answer, or for the next turn. */
void parse_init(struct http_conn *conn);
size_t parse_bytes(struct http_conn *conn, const char *bytes, size_t n);

/* head.c: looks at bytes of a head, or of trailers when it begins at HEAD_FIELD_FIRST. Returns how
 * many are good; fewer than `n` when the state has become HEAD_END, HEAD_BAD or HEAD_LONG. */
size_t head_scan(struct head_scan *scan, const char *bytes, size_t n);

/* Whether what llhttp made of a head may be served: 0, or the status that refuses it. */
int head_check(struct http_conn *conn);

/* chunks.c: takes bytes off the front of a chunked body, up to the end of a piece of its data,
 * which is in *data and *len (0 for none), or until there are no more, or the state has become
 * CHUNK_END or CHUNK_BAD. Returns how many it took. */
size_t chunks_take(struct chunks *chunks, const char *bytes, size_t n, const char **data,
                   size_t *len);

/* response.c */
void response_append(struct http_conn *conn, int status, const char *body, size_t len);

/* Appends the head of an answer, with `framing` lines of its own. 0 or -ENOMEM. */
int response_append_head(struct http_conn *conn, int status, const char *framing);

/* Takes the request from its handler. Whether so much of its body is still to come that closing is
 * better than dropping it. */
bool response_begin(struct http_conn *conn);

/* The answer is all there: on to the rest of the message, to the next one or to the end. */
void response_end(struct http_conn *conn, bool linger);

/* meter.c */
/* A request begins. */
void meter_begin(struct http_request *r);

/* Its answer has ended, or never will: counts it, unless it was. */
void meter_end(struct http_conn *conn);

/* stream.c */
/* Asks the handler of a streamed answer for more, until enough waits to be sent. */
void stream_fill(struct http_conn *conn);

/* In the next turn of the loop the handler is asked for more, if it has had something written. */
void stream_wake(struct http_conn *conn);

/* It is no streamed answer any more. */
void stream_end(struct http_conn *conn);

/* Cuts off those whose clients have stalled, as long as others wait for their places. */
void stream_make_room(struct http_server *server);

/* turn.c */
/* Calls conn_turn() in the next turn of the loop. */
void turn_add(struct http_conn *conn);
/* Not any more. */
void turn_remove(struct http_conn *conn);

/* Whether this turn of the loop has time left. */
bool turn_has_time(struct http_server *server);

/* Looks at all deadlines, some a turn. */
void turn_sweep(struct http_server *server);

void turn_cb(uv_idle_t *turn);
void turned_cb(uv_check_t *turned);

/* listener.c */
/* Takes up a bound socket, which is the server's once all have been. 0 or a negative UV_E*; whether
 * it is to be closed then, the server's n_listeners says. */
int listener_start(struct http_server *server, struct http_listener *listener, int socket);

/* Accepts connections, or doesn't, as the server's state wants it. */
void listener_update(struct http_listener *listener);

/* One of its connections has closed. */
void listener_conn_closed(struct http_listener *listener);

/* There is one too many: closes one that has waited for its client. False: there is none. */
bool listener_make_room(struct http_listener *listener);

/* Closes it, and its socket if `owned`. */
void listener_close(struct http_listener *listener, bool owned);

/* server.c */
/* One of the counted handles has closed; with the last one the server goes. */
void server_handle_closed(struct http_server *server);

#endif
