/* Tells systemd, or whoever set $NOTIFY_SOCKET, how we are; see sd_notify(3). */
#ifndef MKV_LAUNCHER_NOTIFY_H
#define MKV_LAUNCHER_NOTIFY_H

/* Sends `state`, such as "READY=1". Without $NOTIFY_SOCKET a no-op; a failure is logged. */
void notify_send(const char *state);

#endif
