/* fakevolume PORT MODE: a volume that misbehaves, on 127.0.0.1:PORT. It prints "METHOD PATH" of
 * each request. Health checks are answered 200, DELETE 204, GET and HEAD 404; what it does to a
 * PUT is its MODE:
 *
 *     refuse               holds the port but listens to nobody: connections are refused
 *     stall-accept         never accepts: the kernel takes the connection, nobody reads from it
 *     stall-reading        reads the header, then no byte of the body, and never answers
 *     stall-before-answer  reads everything and never answers
 *     close-mid-body       reads a little of the body, then resets the connection
 *     close-before-answer  reads everything, then closes without an answer
 *     garbage              reads everything, then answers with something that is not HTTP
 *     answer-NNN           reads everything, then answers NNN
 *     early-NNN            answers NNN after the header, and closes
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *mode;

static bool mode_is(const char *name)
{
    return strcmp(mode, name) == 0;
}

static void say(FILE *client, int status)
{
    dprintf(fileno(client),
            "HTTP/1.1 %d Fake\r\nMkv-Volume-Id: 0123456789abcdef0123456789abcdef\r\n"
            "Content-Length: 0\r\n\r\n",
            status);
}

/* Closes with a reset, which the peer sees at once even while it writes. */
static void reset(int fd)
{
    struct linger linger = {.l_onoff = 1};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    _exit(0);
}

/* Closes so that the answer arrives: a close with bytes unread would be a reset, which can overtake
 * it. */
static void hang_up(int fd)
{
    char dropped[65536];

    shutdown(fd, SHUT_WR);
    alarm(5);
    while (read(fd, dropped, sizeof(dropped)) > 0) {
    }
    _exit(0);
}

static void stall(void)
{
    for (;;) {
        pause();
    }
}

static void read_body(FILE *client, long length, bool chunked)
{
    char line[4096];

    if (!chunked) {
        while (length-- > 0 && getc(client) != EOF) {
        }
        return;
    }
    while (fgets(line, sizeof(line), client) != NULL) {
        length = strtol(line, NULL, 16);
        for (long i = 0; i < length + 2 && getc(client) != EOF; i++) {
        }
        if (length == 0) {
            return;
        }
    }
}

static void misbehave(FILE *client, long length, bool chunked)
{
    if (mode_is("stall-reading")) {
        stall();
    }
    if (strncmp(mode, "early-", 6) == 0) {
        say(client, atoi(mode + 6));
        hang_up(fileno(client));
    }
    if (mode_is("close-mid-body")) {
        read_body(client, length < 100 ? length : 100, false);
        reset(fileno(client));
    }
    read_body(client, length, chunked);
    if (mode_is("stall-before-answer")) {
        stall();
    }
    if (mode_is("close-before-answer")) {
        _exit(0);
    }
    if (mode_is("garbage")) {
        dprintf(fileno(client), "I am not a web server\n");
        _exit(0);
    }
    say(client, atoi(mode + strlen("answer-")));
}

static void serve(FILE *client)
{
    char line[16384];
    char method[32];
    char path[8192];

    while (fgets(line, sizeof(line), client) != NULL) {
        long length = 0;
        bool chunked = false;

        if (sscanf(line, "%31s %8191s", method, path) != 2) {
            return;
        }
        printf("%s %s\n", method, path);
        while (fgets(line, sizeof(line), client) != NULL && strcmp(line, "\r\n") != 0) {
            if (strncasecmp(line, "Content-Length:", 15) == 0) {
                length = atol(line + 15);
            } else if (strncasecmp(line, "Transfer-Encoding: chunked", 26) == 0) {
                chunked = true;
            }
        }
        if (strncmp(path, "/_mkv/", 6) == 0) {
            read_body(client, length, chunked);
            say(client, 200);
        } else if (strcmp(method, "PUT") == 0) {
            misbehave(client, length, chunked);
        } else {
            say(client, strcmp(method, "DELETE") == 0 || strcmp(method, "POST") == 0 ? 204 : 404);
        }
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int small = 4096;
    int on = 1;
    int fd;

    if (argc != 3) {
        fprintf(stderr, "usage: fakevolume PORT MODE\n");
        return 2;
    }
    mode = argv[2];
    setlinebuf(stdout);
    signal(SIGCHLD, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    address.sin_port = htons((uint16_t)atoi(argv[1]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        (!mode_is("refuse") && listen(fd, 64) != 0)) {
        perror(argv[1]);
        return 1;
    }
    printf("up\n");
    while (!mode_is("refuse") && !mode_is("stall-accept")) {
        int connection = accept(fd, NULL, NULL);

        if (connection >= 0 && fork() == 0) {
            FILE *client = fdopen(connection, "r");

            prctl(PR_SET_PDEATHSIG, SIGKILL);
            close(fd);
            if (client != NULL) {
                serve(client);
            }
            _exit(0);
        }
        close(connection);
    }
    stall();
}
