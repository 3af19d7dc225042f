/* Runs a subcommand until it is told to stop: one loop, its signals, the supervised nginx and,
 * where there is one, the server behind it.
 *
 *     TERM INT QUIT   drain and end; once more: end at once
 *     HUP             render the config anew, test it, make nginx take it
 *     USR1            open the log files again */
#ifndef MKV_LAUNCHER_SERVICE_H
#define MKV_LAUNCHER_SERVICE_H

#include <uv.h>

#include "launcher/nginx/child.h"
#include "launcher/nginx/prefix.h"
#include "launcher/nginx/site.h"

typedef void (*service_stopped_cb)(void *arg);

/* The server behind nginx, on the same loop. */
struct service_backend {
    /* Starts on the loop of `children`, of whom its own processes are. 0, or a negative error after
     * one log line. */
    int (*start)(struct children *children, void *arg);
    /* A HUP has come: takes up what has changed. 0, or a negative error after one log line: then
     * the HUP changes nothing, and nginx keeps its config, too. */
    int (*reload)(void *arg);
    /* A stop has begun: takes no new clients but those that come through nginx. */
    void (*drain)(void *arg);
    /* Fires `cb` with `cb_arg` once, when all is closed; called again, it shortens the deadline.
     * Due also after a start that failed, or that never came. */
    void (*stop)(void *arg, unsigned drain_ms, service_stopped_cb cb, void *cb_arg);
    void *arg;
};

/* All is borrowed until service_run() returns. */
struct service_options {
    const char *title;                     /* "volume /srv/disk1", for the log */
    const struct site *site;               /* what nginx is run with */
    const struct prefix *prefix;           /* where */
    struct listeners *listeners;           /* open; closed when a stop begins */
    unsigned drain_ms;                     /* how long a stop may take */
    const struct service_backend *backend; /* or NULL */
};

/* The exit code: 0 after a stop that was asked for, 1 where the service did not come up, after one
 * log line. */
int service_run(const struct service_options *options);

#endif
