#include "index/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096

static const char *const level_names[] = {
    [LOG_LEVEL_DEBUG] = "debug",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_ERROR] = "error",
};

static struct {
    enum log_level level;
    int fd;
    const char *path;
} sink = {.level = LOG_LEVEL_INFO, .fd = STDERR_FILENO};

int log_level_parse(const char *text, enum log_level *level)
{
    for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return 0;
        }
    }
    return -EINVAL;
}

void log_set_level(enum log_level level)
{
    sink.level = level;
}

int log_open(const char *path)
{
    int fd = STDERR_FILENO;

    if (path != NULL) {
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (fd < 0)
            return -errno;
    }
    /* Other threads may be about to write: the descriptor stays what it is, a log. */
    if (sink.fd != STDERR_FILENO && fd != STDERR_FILENO) {
        if (dup3(fd, sink.fd, O_CLOEXEC) < 0) {
            int rc = -errno;

            close(fd);
            return rc;
        }
        close(fd);
        fd = sink.fd;
    } else if (sink.fd != STDERR_FILENO) {
        close(sink.fd);
    }
    sink.fd = fd;
    sink.path = path;
    return 0;
}

void log_reopen(void)
{
    int rc;

    if (sink.path == NULL)
        return;
    rc = log_open(sink.path);
    if (rc < 0)
        log_error("cannot reopen the log file %s: %s", sink.path, strerror(-rc));
}

static size_t line_start(char *line, size_t size, enum log_level level, const char *source)
{
    struct timespec now;
    struct tm utc;
    size_t n;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    n = strftime(line, size, "%Y-%m-%dT%H:%M:%S", &utc);
    return n + (size_t)snprintf(line + n, size - n, ".%03ldZ %-5s %s: ", now.tv_nsec / 1000000,
                                level_names[level], source);
}

void log_line(enum log_level level, const char *source, const char *text, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    int saved_errno = errno;
    char line[LINE_MAX_BYTES];
    size_t n;

    if (level < sink.level)
        return;
    n = line_start(line, 128, level, source);
    for (size_t i = 0; i < len && n + 5 < sizeof(line); i++) {
        unsigned char byte = (unsigned char)text[i];

        if (byte >= 0x20 && byte != 0x7f) {
            line[n++] = (char)byte;
            continue;
        }
        line[n++] = '\\';
        line[n++] = 'x';
        line[n++] = hex[byte >> 4];
        line[n++] = hex[byte & 15];
    }
    line[n++] = '\n';
    /* There is nobody to tell when the log itself can't be written. */
    (void)!write(sink.fd, line, n);
    errno = saved_errno;
}

void log_raw(const char *bytes, size_t n)
{
    (void)!write(sink.fd, bytes, n);
}

void log_write(enum log_level level, const char *format, ...)
{
    int saved_errno = errno;
    char text[2048];
    va_list args;
    int n;

    if (level < sink.level)
        return;
    va_start(args, format);
    n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (n > 0)
        log_line(level, "mkv", text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
    errno = saved_errno;
}
