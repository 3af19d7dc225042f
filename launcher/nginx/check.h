/* One run of `nginx -t` on a config file, without blocking the loop. */
#ifndef MKV_LAUNCHER_CHECK_H
#define MKV_LAUNCHER_CHECK_H

#include "launcher/nginx/nginx_process.h"

#define CHECK_MESSAGE_MAX 1024
#define CHECK_TIMEOUT_MS  30000 /* names in a config are resolved, which takes its time */

struct check;

/* The verdict: 0, UV_EINVAL with nginx's own `message`, UV_ETIMEDOUT with one, or UV_ECANCELED. The
 * struct is free again; the message expires on return. */
typedef void (*check_cb)(struct check *check, int status, const char *message);

struct check {
    struct child child;
    uv_timer_t deadline;
    unsigned timeout_ms;
    const char *program; /* borrowed until the callback */
    char *path;          /* of the config */
    bool canceled;
    bool timed_out;
    bool found; /* `message` is nginx's own reason, and not just the last thing it said */
    int status;
    char message[CHECK_MESSAGE_MAX];
    struct buf warnings; /* of nginx's, a newline after each; until the callback returns */
    check_cb cb;
    void *arg; /* for the owner */
};

/* Runs nginx -t on the config at `path`, for `timeout_ms` at most. 0, or a -errno after one log
 * line when it could not be run. The callback fires once, not inside this call, unless this fails.
 */
int check_start(struct check *check, struct children *children, const struct nginx_process *process,
                const char *path, unsigned timeout_ms, check_cb cb, void *arg);

/* Kills the run; the callback fires with UV_ECANCELED. */
void check_cancel(struct check *check);

#endif
