/* What a turn of the loop does beside the requests that its reads brought. libuv calls back for as
 * long as there is something to read or written, so what a few clients ask for could keep the loop
 * from all others: a crowd of streamed answers, thousands of requests in one piece, deadlines of
 * all connections at once. Such work is put off: it waits in one queue, each connection once, and a
 * turn takes some of it from the front, for HTTP_TURN_TIME and then no more. */
#include "index/http/internal.h"

static void wake(struct http_server *server)
{
    uv_idle_start(&server->turn, turn_cb); /* does nothing when it runs */
}

void turn_add(struct http_conn *conn)
{
    struct http_server *server = conn->server;

    if (conn->turning)
        return;
    conn->turning = true;
    TAILQ_INSERT_TAIL(&server->turns, conn, turn_link);
    server->n_turns++;
    wake(server);
}

void turn_remove(struct http_conn *conn)
{
    if (!conn->turning)
        return;
    conn->turning = false;
    TAILQ_REMOVE(&conn->server->turns, conn, turn_link);
    conn->server->n_turns--;
}

bool turn_has_time(struct http_server *server)
{
    uint64_t now = uv_hrtime();

    if (server->turn_end == 0)
        server->turn_end = now + HTTP_TURN_TIME;
    return now < server->turn_end;
}

void turned_cb(uv_check_t *turned)
{
    struct http_server *server = turned->data;

    server->turn_end = 0;
}

void turn_sweep(struct http_server *server)
{
    server->to_sweep = server->n_conns;
    wake(server);
}

/* A connection that is closed leaves the list only later, in its close callback. */
static void sweep_some(struct http_server *server)
{
    uint64_t now = uv_now(server->loop);
    size_t n = server->to_sweep < HTTP_TURN_SWEEP ? server->to_sweep : HTTP_TURN_SWEEP;
    struct http_conn *conn;

    server->to_sweep -= n;
    while (n-- > 0 && (conn = TAILQ_FIRST(&server->conns)) != NULL) {
        TAILQ_REMOVE(&server->conns, conn, link);
        TAILQ_INSERT_TAIL(&server->conns, conn, link);
        conn_check_deadlines(conn, now);
    }
}

/* Those that are added meanwhile wait for the next turn. */
static void take_turns(struct http_server *server)
{
    size_t n = server->n_turns;
    struct http_conn *conn;

    while (n-- > 0 && (conn = TAILQ_FIRST(&server->turns)) != NULL) {
        turn_remove(conn);
        conn_turn(conn);
        if (!turn_has_time(server))
            return;
    }
}

void turn_cb(uv_idle_t *turn)
{
    struct http_server *server = turn->data;

    turn_has_time(server); /* it begins now */
    sweep_some(server);
    take_turns(server);
    if (server->to_sweep == 0 && server->n_turns == 0)
        uv_idle_stop(turn);
}
