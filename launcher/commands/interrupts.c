#include "launcher/commands/interrupts.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t caught;
static const char *volatile farewell;
static int farewell_fd;
static sigset_t open_mask; /* what was blocked before */

static void caught_cb(int signal)
{
    if (caught == 0) {
        caught = signal;
        return;
    }
    if (farewell != NULL && write(farewell_fd, farewell, strlen(farewell)) < 0)
        _exit(128 + signal);
    _exit(128 + signal);
}

void interrupts_init(void)
{
    struct sigaction action = {.sa_handler = caught_cb};
    sigset_t ours;

    sigemptyset(&ours);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGTERM);
    sigprocmask(SIG_BLOCK, &ours, &open_mask);
    sigdelset(&open_mask, SIGINT);
    sigdelset(&open_mask, SIGTERM);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void interrupts_admit(void)
{
    sigprocmask(SIG_SETMASK, &open_mask, NULL);
}

int interrupts_wait(int fd, int ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    struct pollfd poll = {.fd = fd, .events = POLLIN};
    int n = ppoll(&poll, 1, ms >= 0 ? &time : NULL, &open_mask);

    if (caught != 0)
        sigprocmask(SIG_SETMASK, &open_mask, NULL);
    return n > 0;
}

int interrupts_signal(void)
{
    return caught;
}

void interrupts_set_farewell(int fd, const char *text)
{
    farewell_fd = fd;
    farewell = text;
}
