#include "launcher/nginx/nginx_version.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIMEOUT_MS 10000

extern char **environ;

/* Takes a number and the dot after it, if there is one; -1 where there is no number. */
static long next_number(const char **at)
{
    char *end;
    long number = strtol(*at, &end, 10);

    if (end == *at || number < 0)
        return -1;
    *at = *end == '.' ? end + 1 : end;
    return number;
}

/* "nginx version: nginx/1.22.1", or another word before the slash. */
static bool is_modern(const char *said)
{
    const char *at = strchr(said, '/');
    long numbers[3];

    if (at == NULL)
        return true;
    at++;
    for (size_t i = 0; i < 3; i++) {
        numbers[i] = next_number(&at);
        if (numbers[i] < 0)
            return true;
    }
    if (numbers[0] != 1)
        return numbers[0] > 1;
    return numbers[1] != 25 ? numbers[1] > 25 : numbers[2] >= 1;
}

/* Reads up to the end, or until it takes too long. */
static void read_answer(int fd, char *text, size_t size)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    size_t n = 0;
    ssize_t got = 1;

    while (got > 0 && n + 1 < size && poll(&poller, 1, TIMEOUT_MS) > 0) {
        got = read(fd, text + n, size - 1 - n);
        n += got > 0 ? (size_t)got : 0;
    }
    text[n] = '\0';
}

static pid_t spawn(const char *program, int errors)
{
    char *const argv[] = {(char *)program, (char *)"-v", NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid = -1;

    if (posix_spawn_file_actions_init(&actions) != 0)
        return -1;
    if (posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO) != 0 ||
        posix_spawn(&pid, program, &actions, NULL, argv, environ) != 0)
        pid = -1;
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

bool nginx_has_http2_directive(const char *program)
{
    char text[256] = "";
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return true;
    pid = spawn(program, ends[1]);
    close(ends[1]);
    if (pid > 0)
        read_answer(ends[0], text, sizeof(text));
    close(ends[0]);
    if (pid > 0) {
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    return is_modern(text);
}
