/* pgcut URI: a way to the PostgreSQL database with this URI (of its server's Unix socket) that cuts
 * connections at random (cutproxy.h). Prints "via URI", the way. At SIGUSR1
 * it begins to cut, before one in 150 pieces of answers and one in 300 of requests; at SIGUSR2 it
 * ends that, and at SIGTERM itself; it then prints how many were cut. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/support/cutproxy.h"

static void cut(struct cutproxy *proxy, unsigned answers, unsigned requests)
{
    cutproxy_cut_answers(proxy, answers);
    cutproxy_cut_requests(proxy, requests);
}

int main(int argc, char **argv)
{
    struct cutproxy *proxy;
    char via[512];
    sigset_t signals;
    int signal = 0;

    if (argc != 2) {
        fprintf(stderr, "usage: pgcut URI\n");
        return 2;
    }
    setlinebuf(stdout);
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigaddset(&signals, SIGUSR2);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    umask(0); /* who connects may be another user, */
    proxy = cutproxy_start(argv[1], via, sizeof(via));
    chmod(strstr(via, "host=") + strlen("host="), 0755); /* also to its directory */
    printf("via %s\n", via);
    while (signal != SIGTERM) {
        if (sigwait(&signals, &signal) != 0)
            break;
        cut(proxy, signal == SIGUSR1 ? 150 : 0, signal == SIGUSR1 ? 300 : 0);
    }
    printf("cut %u\n", cutproxy_cuts(proxy));
    cutproxy_stop(proxy);
    return 0;
}
