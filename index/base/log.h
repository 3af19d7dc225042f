/* Log lines: one line, one write(2), to stderr or to a file that can be reopened. As text, or as an
 * object of JSON:
 *
 *     2026-11-21T09:48:00.123Z warn  nginx: ...
 *     {"time":"2026-11-21T09:48:00.123Z","level":"warn","source":"nginx","message":"..."}
 *
 * The word before the colon is the source: "mkv" for our own lines, "nginx" for those of the child.
 * Bytes that could forge a line or drive a terminal are written as \xNN (text_printable()), so a
 * key may be logged. Nothing waits for a reader: a line that a pipe or terminal doesn't take at
 * once is dropped, and the next one that is taken has a line before it that tells how many were.
 * All functions preserve errno. Any thread may write lines; where they go is the main one's to say.
 */
#ifndef MKV_BASE_LOG_H
#define MKV_BASE_LOG_H

#include <stddef.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* Parses "debug", "info", "warn" or "error". Returns 0, or -EINVAL with *level untouched. */
int log_level_parse(const char *text, enum log_level *level);

/* Lines below `level` are dropped from now on. The default is LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* Parses "text" or "json". Returns 0, or -EINVAL with *format untouched. */
int log_format_parse(const char *text, enum log_format *format);

/* How lines are written from now on. The default is LOG_FORMAT_TEXT. */
void log_set_format(enum log_format format);

/* Begins each line with these bytes, 8 at most, from now on: on a terminal where another process
 * redraws a line, what clears that. Borrowed. */
void log_set_lead(const char *lead);

/* Sends lines to the file at `path`, appended, created 0644; NULL means stderr. The string is
 * borrowed until the next call. On failure a -errno, and the old destination stays: -EINVAL for a
 * FIFO or a socket; -ELOOP when we are root, and in a directory that isn't root's alone a link
 * stands there, or a second name of a file. */
int log_open(const char *path);

/* What went wrong in a log_open() that returned `rc`, for people. */
const char *log_open_failure(int rc);

/* Opens the file again by its path, after a log rotator moved it away. A failure is logged to the
 * old file, which stays in use. */
void log_reopen(void);

/* Writes `text` of `len` bytes as one line of `source`. */
void log_line(enum log_level level, const char *source, const char *text, size_t len);

/* Writes a line that another process of ours wrote by these functions as text, with its level and
 * source, and the time of now. One that isn't such a line is an error of source "mkv". */
void log_relay(const char *line, size_t len);

/* Writes bytes as they are, to where lines go. For signal handlers, in any thread. */
void log_raw(const char *bytes, size_t n);

/* Formats and writes one line of source "mkv", cut at 2,048 bytes. */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for lines that may come again and again by themselves, as from each request to a disk
 * that fails: one of a kind is written in a minute, with how many there were since the last one.
 * See log_limit.h for what a kind is; in those of others than "mkv" numbers don't count. */
void log_line_limited(enum log_level level, const char *source, const char *text, size_t len);
void log_limited(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)  log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)

#endif
