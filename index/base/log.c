#include "index/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "index/base/log_limit.h"
#include "index/base/text.h"

#define LINE_MAX_BYTES PIPE_BUF /* so that a pipe with room takes a line whole */
#define TIME_MAX       64       /* bytes of the lead and the time */
#define HEAD_MAX       128      /* bytes of what stands between time and message */
#define TAIL_MAX       64       /* bytes of what follows the message */

static const char *const level_names[] = {
    [LOG_LEVEL_DEBUG] = "debug",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_ERROR] = "error",
};

static struct {
    enum log_level level;
    enum log_format format;
    int fd;
    const char *path;
    const char *lead;     /* at the begin of each line */
    atomic_ulong dropped; /* lines, since the last one that was written */
    struct log_limit limit;
} sink = {.level = LOG_LEVEL_INFO, .fd = STDERR_FILENO, .lead = ""};

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

int log_format_parse(const char *text, enum log_format *format)
{
    if (strcmp(text, "text") == 0)
        *format = LOG_FORMAT_TEXT;
    else if (strcmp(text, "json") == 0)
        *format = LOG_FORMAT_JSON;
    else
        return -EINVAL;
    return 0;
}

void log_set_format(enum log_format format)
{
    sink.format = format;
}

void log_set_lead(const char *lead)
{
    sink.lead = lead;
}

const char *log_open_failure(int rc)
{
    if (rc == -EINVAL)
        return "it is a FIFO or a socket. A log must be a file, since a slow reader would block "
               "mkv";
    if (rc == -ELOOP)
        return "it is a link, and its directory isn't root's alone: whoever made it chose which "
               "file "
               "root writes to";
    return strerror(-rc);
}

/* Where others than root can put something, that may be a link to a file of root's, or another name
 * of it. */
static bool is_roots_alone(int directory)
{
    struct stat st;

    return fstat(directory, &st) == 0 && st.st_uid == 0 && (st.st_mode & 0022) == 0;
}

/* openat(2), as root, of a file that root itself may have been led to. */
static int open_as_root(int directory, const char *name, int flags)
{
    bool alone = is_roots_alone(directory);
    int fd = openat(directory, name, flags | (alone ? 0 : O_NOFOLLOW), 0644);
    struct stat st;

    if (fd < 0 || alone || (fstat(fd, &st) == 0 && st.st_nlink <= 1))
        return fd;
    close(fd);
    errno = ELOOP;
    return -1;
}

static int open_wary(const char *path, int flags)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    char parent[PATH_MAX] = ".";
    int directory;
    int fd;

    if (geteuid() != 0)
        return open(path, flags, 0644);
    if (slash != NULL && snprintf(parent, sizeof(parent), "%.*s/", (int)(slash - path), path) >=
                             (int)sizeof(parent)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    directory = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return -1;
    fd = open_as_root(directory, name, flags);
    close(directory);
    return fd;
}

/* A FIFO that nobody reads must not hold us up, hence O_NONBLOCK. */
static int open_file(const char *path)
{
    int fd = open_wary(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return errno == ENXIO ? -EINVAL : -errno; /* a FIFO without a reader, or a socket */
    if (fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))) {
        close(fd);
        return -EINVAL;
    }
    return fd;
}

/* Whoever else has our stderr would get O_NONBLOCK, too, if we set it there; a terminal or a pipe
 * can be opened once more, for us alone. With what can't, put() has to do. */
static int open_stderr(void)
{
    struct stat st;
    int fd = -1;

    if (fstat(STDERR_FILENO, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
        fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return fd < 0 ? STDERR_FILENO : fd;
}

int log_open(const char *path)
{
    int fd = path != NULL ? open_file(path) : open_stderr();

    if (fd < 0)
        return fd;
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
    memset(&sink.limit, 0, sizeof(sink.limit)); /* there, nothing was said yet */
    return 0;
}

void log_reopen(void)
{
    int rc;

    if (sink.path == NULL)
        return;
    rc = log_open(sink.path);
    if (rc < 0)
        log_error("cannot reopen the log file %s: %s", sink.path, log_open_failure(rc));
}

/* The lead, and the time, which is within quotes in JSON. */
static size_t put_time(char *line, size_t size)
{
    struct timespec now;
    struct tm utc;
    size_t n = (size_t)snprintf(line, size, "%.8s", sink.lead);

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    n += strftime(line + n, size - n,
                  sink.format == LOG_FORMAT_JSON ? "{\"time\":\"%Y-%m-%dT%H:%M:%S"
                                                 : "%Y-%m-%dT%H:%M:%S",
                  &utc);
    return n + (size_t)snprintf(line + n, size - n, ".%03ldZ", now.tv_nsec / 1000000);
}

/* What is printable is a string of JSON (RFC 8259, section 7) but for these two. */
static size_t escape(const char *text, size_t len, char *out, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < len && n + 2 <= size; i++) {
        if (text[i] == '"' || text[i] == '\\')
            out[n++] = '\\';
        out[n++] = text[i];
    }
    /* A character that was cut in two isn't UTF-8. */
    while (n > 0 && !text_is_utf8(out, n))
        n--;
    return n;
}

static size_t put_message(const char *text, size_t len, char *out, size_t size)
{
    char printable[LINE_MAX_BYTES];

    if (sink.format == LOG_FORMAT_TEXT)
        return text_printable(text, len, out, size);
    return escape(printable, text_printable(text, len, printable, sizeof(printable)), out, size);
}

/* Makes the whole line; `held` more like it were not written. Returns how long it is. */
static size_t make_line(char line[LINE_MAX_BYTES], enum log_level level, const char *source,
                        const char *text, size_t len, unsigned held)
{
    bool json = sink.format == LOG_FORMAT_JSON;
    size_t n = put_time(line, TIME_MAX);

    n += (size_t)snprintf(line + n, HEAD_MAX,
                          json ? "\",\"level\":\"%s\",\"source\":\"%s\",\"message\":\""
                               : " %-5s %s: ",
                          level_names[level], source);
    n += put_message(text, len, line + n, LINE_MAX_BYTES - TAIL_MAX - n);
    if (held > 0)
        n += (size_t)snprintf(line + n, TAIL_MAX, " (and %u more like it)", held);
    n += (size_t)snprintf(line + n, 4, json ? "\"}\n" : "\n");
    return n;
}

/* Writes a line, unless its reader lets us wait. There is nobody to tell when the log itself can't
 * be written. */
static bool put(const char *line, size_t n)
{
    struct pollfd out = {.fd = sink.fd, .events = POLLOUT};

    if (poll(&out, 1, 0) == 0)
        return false;
    return write(sink.fd, line, n) >= 0 || errno != EAGAIN;
}

static void tell_dropped(void)
{
    char line[LINE_MAX_BYTES];
    char text[128];
    unsigned long dropped = atomic_load(&sink.dropped);
    int len = snprintf(text, sizeof(text), "%lu log lines are lost: their reader did not take them",
                       dropped);

    if (put(line, make_line(line, LOG_LEVEL_WARN, "mkv", text, (size_t)len, 0)))
        atomic_fetch_sub(&sink.dropped, dropped);
}

static void write_line(enum log_level level, const char *source, const char *text, size_t len,
                       unsigned held)
{
    int saved_errno = errno;
    char line[LINE_MAX_BYTES];
    size_t n;

    n = make_line(line, level, source, text, len, held);
    if (sink.dropped > 0)
        tell_dropped();
    if (sink.dropped > 0 || !put(line, n))
        sink.dropped++;
    errno = saved_errno;
}

void log_line(enum log_level level, const char *source, const char *text, size_t len)
{
    if (level >= sink.level)
        write_line(level, source, text, len, 0);
}

/* Skips the time, which log_line() writes anew. */
static const char *skip_time(const char *at, const char *end)
{
    const char *space = memchr(at, ' ', (size_t)(end - at));

    return space != NULL && space - at == 24 && at[10] == 'T' && at[23] == 'Z' ? space + 1 : at;
}

void log_relay(const char *line, size_t len)
{
    static const char source[] = " mkv: ";
    const char *end = line + len;
    const char *at = skip_time(line, end);

    for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        size_t n = strlen(level_names[i]);
        const char *after = at + n;

        if ((size_t)(end - at) <= n || memcmp(at, level_names[i], n) != 0)
            continue;
        while (end - after > 1 && after[0] == ' ' && after[1] == ' ')
            after++;
        if ((size_t)(end - after) < sizeof(source) - 1 ||
            memcmp(after, source, sizeof(source) - 1) != 0)
            continue;
        after += sizeof(source) - 1;
        log_line((enum log_level)i, "mkv", after, (size_t)(end - after));
        return;
    }
    log_line(LOG_LEVEL_ERROR, "mkv", line, len);
}

void log_line_limited(enum log_level level, const char *source, const char *text, size_t len)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    struct timespec now;
    unsigned held;
    bool passes;

    if (level < sink.level)
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    pthread_mutex_lock(&mutex);
    passes = log_limit_passes(&sink.limit, text, len, strcmp(source, "mkv") != 0,
                              (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000, &held);
    pthread_mutex_unlock(&mutex);
    if (passes)
        write_line(level, source, text, len, held);
}

static void __attribute__((format(printf, 3, 0)))
write_formatted(enum log_level level,
                void (*writer)(enum log_level, const char *, const char *, size_t),
                const char *format, va_list args)
{
    int saved_errno = errno;
    char text[2048];
    int n;

    if (level < sink.level)
        return;
    n = vsnprintf(text, sizeof(text), format, args);
    if (n > 0)
        writer(level, "mkv", text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
    errno = saved_errno;
}

void log_raw(const char *bytes, size_t n)
{
    (void)!write(sink.fd, bytes, n);
}

void log_write(enum log_level level, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    write_formatted(level, log_line, format, args);
    va_end(args);
}

void log_limited(enum log_level level, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    write_formatted(level, log_line_limited, format, args);
    va_end(args);
}
