/* Tells systemd, or whoever set $NOTIFY_SOCKET, how we are; see sd_notify(3). */
#ifndef MKV_LAUNCHER_NOTIFY_H
#define MKV_LAUNCHER_NOTIFY_H

#include <stdint.h>

/* Sends `state`, such as "READY=1". Without $NOTIFY_SOCKET a no-op; a failure is logged. */
void notify_send(const char *state);

/* Every how many milliseconds "WATCHDOG=1" is due: half of what systemd waits for one
 * (sd_watchdog_enabled(3)). 0 where it doesn't wait for us. */
uint64_t notify_watchdog_ms(void);

#endif
