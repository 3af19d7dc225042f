/* One supervised nginx: tested, started, asked whether it answers, restarted when it dies, drained.
 *
 *              config bad, or it could not be run
 *        ┌───────────────────────────────────────────────────────────┐
 *     CHECKING ──▶ STARTING ──answers──▶ READY                       ▼
 *        ▲ │          │   │                │                        GONE
 *        │ │          │   └──────dies──────┤                         ▲
 *        │ ▼          │                    ▼    never was ready      │
 *      BACKOFF ◀──────┼──────────────── CLEANING ────────────────────┤
 *                     │                    │                         │
 *                     └──────stop───▶ STOPPING ──group is empty──────┘
 *
 * CLEANING lasts until no process of the group is left, so that two generations never share the
 * directory. Once it was ready, nothing but a stop leads to GONE: a config that is bad by then
 * gives way to the old one, or to BACKOFF. A stop in CHECKING or BACKOFF, where no nginx runs,
 * leads to GONE directly. */
#ifndef MKV_LAUNCHER_NGINX_H
#define MKV_LAUNCHER_NGINX_H

#include "launcher/nginx/check.h"
#include "launcher/nginx/config.h"
#include "launcher/nginx/listeners.h"
#include "launcher/nginx/probe.h"

enum nginx_state {
    NGINX_CHECKING,
    NGINX_STARTING,
    NGINX_READY,
    NGINX_CLEANING,
    NGINX_BACKOFF,
    NGINX_STOPPING,
    NGINX_GONE,
};

struct nginx;

/* nginx answers, the first time or again after a restart. */
typedef void (*nginx_ready_cb)(struct nginx *nginx);

/* Fires once, last: no process is left, the config file is unlinked, the struct is free again.
 * 0 after a stop; else it never came up, and one log line said why. */
typedef void (*nginx_gone_cb)(struct nginx *nginx, int status);

/* All is borrowed until the gone callback. */
struct nginx_options {
    struct nginx_process process; /* its listeners are open while nginx may be started */
    const struct config *config;  /* where its config comes from */
    const char *access_log;       /* absolute, or NULL */
    nginx_ready_cb ready_cb;
    nginx_gone_cb gone_cb;
    void *arg; /* for the owner, as nginx->options.arg */
};

struct nginx {
    struct nginx_options options;
    struct children *children;
    enum nginx_state state;
    struct child child;              /* the master; in use from STARTING to CLEANING or STOPPING */
    struct check check;              /* in use while `checking` */
    struct probe probe;              /* in use while `probing` */
    uv_timer_t timer;                /* the backoff, or the deadline of a stop */
    struct config_file conf;         /* the config in use */
    struct config_file candidate;    /* the config that is being tested */
    struct tls_paths old_copies;     /* of the config before `conf` at its path */
    bool checking;                   /* a check has not fired */
    bool probing;                    /* a probe has not fired */
    bool running;                    /* `child` is not gone */
    bool was_ready;                  /* it came up at least once */
    bool reload_wanted;              /* reload once READY, and no check is running */
    bool hup_wanted;                 /* the tested config was replaced; send HUP once READY */
    bool reopen_wanted;              /* send USR1 once READY */
    unsigned backoff_ms;             /* before the next start */
    uint64_t ready_at;               /* uv_now() of the last READY */
    int status;                      /* for the gone callback */
    char message[CHECK_MESSAGE_MAX]; /* why nginx gave up, while it never was ready */
};

/* Renders and tests the config, then starts nginx. 0, or a negative error after one log line; no
 * callback fires then, and none fires inside this call. */
int nginx_start(struct nginx *nginx, struct children *children,
                const struct nginx_options *options);

/* Renders and tests the config anew and makes nginx take it; a bad one is logged and forgotten. */
void nginx_reload(struct nginx *nginx);

/* Makes nginx open its access log again. */
void nginx_reopen_logs(struct nginx *nginx);

/* Lets requests in flight end for `drain_ms` milliseconds, then cuts off the rest. Called again, it
 * shortens the deadline. The gone callback fires with 0. */
void nginx_stop(struct nginx *nginx, unsigned drain_ms);

#endif
