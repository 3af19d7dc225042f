/* Asks nginx for an answer until one comes. A connect alone proves nothing: the listening sockets
 * are ours and take connections before nginx does. */
#ifndef MKV_LAUNCHER_PROBE_H
#define MKV_LAUNCHER_PROBE_H

#include <stdbool.h>
#include <sys/socket.h>
#include <uv.h>

struct probe;

/* 0 once a byte came back, UV_ETIMEDOUT, or UV_ECANCELED. The struct is free again. */
typedef void (*probe_cb)(struct probe *probe, int status);

struct probe {
    uv_loop_t *loop;
    struct sockaddr_storage address; /* to connect to */
    uv_tcp_t tcp;                    /* one attempt */
    uv_connect_t connect;
    uv_write_t write;
    uv_timer_t retry;    /* between attempts; closed when the probe has ended */
    uv_timer_t deadline; /* ends the probe */
    bool attempting;     /* tcp is open or closing */
    bool ended;
    int status;
    char byte;    /* where the answer goes */
    int n_closed; /* of the two timers */
    probe_cb cb;
    void *arg; /* for the owner */
};

/* Starts to ask the listener at `address`, a wildcard by way of loopback, for at most `timeout_ms`.
 * The callback fires once, never inside this call. */
void probe_start(struct probe *probe, uv_loop_t *loop, const struct sockaddr_storage *address,
                 unsigned timeout_ms, probe_cb cb, void *arg);

/* Ends the probe with UV_ECANCELED, unless it has ended already. */
void probe_cancel(struct probe *probe);

#endif
