/* The process of a volume's own server (volume_server.h), as mkv supervises it. mkv executes itself
 * for it; the process locks itself into the volume's directory (sandbox.h). It has the listening
 * socket, the directory and .mkv, and no other descriptor of mkv's but its log, a pipe, and a
 * control socket: a byte from it says that it serves, a word to it (struct volume_process_word)
 * what it is to do, and its end that mkv is gone. It hears no signals.
 *
 *      RUNNING ──dies──▶ CLEANING ──group is empty──▶ BACKOFF ──▶ RUNNING
 *         │                  │                           │
 *         └──────stop────────┴───────────────────────────┴──▶ STOPPING ──▶ gone
 *
 * While none runs, requests wait at the listening socket, which mkv keeps open. */
#ifndef MKV_LAUNCHER_VOLUME_PROCESS_H
#define MKV_LAUNCHER_VOLUME_PROCESS_H

#include "index/base/log.h"
#include "launcher/nginx/child.h"
#include "launcher/volume/volume_dir.h"
#include "launcher/volume/volume_server.h"

#define VOLUME_PROCESS_COMMAND "volume-server" /* the first argument of mkv, for nobody else */

enum volume_process_state {
    VOLUME_PROCESS_RUNNING,
    VOLUME_PROCESS_CLEANING,
    VOLUME_PROCESS_BACKOFF,
    VOLUME_PROCESS_STOPPING,
};

struct volume_process {
    struct children *children;
    const struct volume_dir *dir;
    struct volume_sockets sockets; /* borrowed */
    int64_t expires;               /* volume_admin.h */
    enum log_level log_level;      /* of the process */
    enum volume_process_state state;
    struct child child;
    bool running;        /* the child's group isn't empty */
    bool served;         /* it has, once */
    int control;         /* our end of the control socket, or -1 */
    uv_timer_t timer;    /* of a backoff, then of a stop's end */
    unsigned backoff_ms; /* of the next one */
    uint64_t started_at; /* loop time */
    void (*stop_cb)(void *arg);
    void *stop_arg;
};

/* Starts it and waits until it serves. All is borrowed until the stop. 0, or a negative error after
 * one log line; volume_process_stop() is due in either case. */
int volume_process_start(struct volume_process *process, struct children *children,
                         const struct volume_dir *dir, const struct volume_sockets *sockets,
                         enum log_level log_level);

/* As volume_admin_set_expiry(); also before the start. */
void volume_process_set_expiry(struct volume_process *process, int64_t expires);

/* What mkv tells the process through the control socket. */
struct volume_process_word {
    enum { VOLUME_PROCESS_STOP, VOLUME_PROCESS_EXPIRY } what;
    int64_t value; /* ms for requests to end in; as volume_admin_set_expiry() */
};

/* Has the server let requests end for `drain_ms` milliseconds, and fires `cb`, not inside this
 * call, when no process is left, or when one that hangs at the disk was left to itself. Called
 * again, it shortens the deadline; `cb` stays the first. */
void volume_process_stop(struct volume_process *process, unsigned drain_ms, void (*cb)(void *arg),
                         void *arg);

/* The process itself: serves until it is told to stop. `argv` is what volume_process_start() gives
 * it. The exit code. */
int volume_process_main(int argc, char **argv);

#endif
