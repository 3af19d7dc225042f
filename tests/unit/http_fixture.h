/* The HTTP server on a real socket, with a client that sends bytes exactly as split as the test
 * says. What both test programs of the server use. */
#ifndef MKV_TESTS_UNIT_HTTP_FIXTURE_H
#define MKV_TESTS_UNIT_HTTP_FIXTURE_H

#include "tests/unit/test.h"

#include <stdbool.h>
#include <sys/socket.h>

#include "index/http/http.h"

#define METHODS "GET, HEAD, PUT" /* that the fixture's server says it serves */

#define DEADLINE 5000 /* milliseconds that any one wait may take */

struct fixture {
    uv_loop_t loop;
    uv_timer_t deadline;
    struct http_server *server;
    struct sockaddr_storage address; /* of the server */
    socklen_t address_size;
    int client;
    bool late; /* the deadline has passed */
    bool stopped;
    char answers[128 * 1024]; /* what the client has read, terminated */
    size_t n_answers;
    struct http_request *held; /* a request that waits for the test to answer it, or NULL */
    unsigned handled;          /* requests of "/handled" */
    unsigned slow;             /* requests of "/slow" */
    unsigned closed;           /* `closed` callbacks */
    size_t body;               /* bytes of the current body */
};

/* Limits that tests can reach. */
extern const struct http_limits fixture_limits;

/* Starts a server with `handler`, whose argument is the fixture, on a loopback port, or at `path`
 * where that isn't NULL. Zero, as cmocka's set-ups return. */
int fixture_start(void **state, http_handler_cb handler, const struct http_limits *limits,
                  const char *path);

/* Cuts everything off and asserts that nothing stays in the loop. */
int teardown(void **state);

void stopped_cb(void *arg);  /* for http_server_stop(), with the fixture */
void arm(struct fixture *f); /* starts a wait: f->late is set at its deadline */
void arm_for(struct fixture *f, unsigned ms);
void spin(struct fixture *f); /* some turns of the loop */
void work(unsigned us);       /* takes so long, in microseconds, as a busy handler does */

/* Turns the loop until http_server_stop() has called back, and takes note that the server is gone.
 */
void expect_stopped(struct fixture *f);

/* --- The client ------------------------------------------------------------------------------ */

int dial(struct fixture *f);          /* a connection of its own, non-blocking */
void fresh_client(struct fixture *f); /* in place of the one before, with no answers yet */
void send_bytes(struct fixture *f, const char *bytes, size_t n);
void send_text(struct fixture *f, const char *text);
void ask(struct fixture *f, const char *text); /* with a fresh client */

/* Sends the bytes in two parts, cut at each place in turn, or one at a time, each time with a fresh
 * client, and has `expect_all` wait for the answers. */
void send_split_at_every_byte(struct fixture *f, const char *bytes, size_t n,
                              void (*expect_all)(struct fixture *f));
void send_byte_by_byte(struct fixture *f, const char *bytes, size_t n,
                       void (*expect_all)(struct fixture *f));

/* Reads what is there, as far as there is room; false at the end of the stream. */
bool read_answers(struct fixture *f);

unsigned count(const char *text, const char *what); /* how often `what` stands in it */

/* Waits until `what` stands `n` times in the answers. */
void expect(struct fixture *f, const char *what, unsigned n);

/* Waits for the end of the stream. */
void expect_close(struct fixture *f);

#endif
