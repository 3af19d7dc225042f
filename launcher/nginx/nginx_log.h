/* What nginx writes to stderr:
 *
 *     2026/11/21 10:05:02 [emerg] 4946#4946: *7 unknown directive "foo" in /tmp/mkv-x:12
 *     nginx: [emerg] ...
 */
#ifndef MKV_LAUNCHER_NGINX_LOG_H
#define MKV_LAUNCHER_NGINX_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "index/base/log.h"

struct nginx_log_line {
    enum log_level level;
    bool leveled;     /* it is nginx's own: "[warn] ..." */
    bool fatal;       /* [emerg]: nginx gives up, or refuses its config */
    const char *text; /* after date, level and process ids; points into the line */
    size_t len;
};

/* Takes a line apart. One without a level is a warning, its text the whole line. */
void nginx_log_parse(const char *line, size_t len, struct nginx_log_line *out);

/* Copies `text` with " in CONF:12" turned into " at line 12", since the temporary file CONF means
 * nothing to anybody. Cut to `size` bytes with the NUL. */
void nginx_log_locate(const char *text, size_t len, const char *conf, char *out, size_t size);

/* Copies `len` bytes of text, with stars for what opens a door in the URL of a request: a ticket of
 * ours (index/access/ticket.h), a signature of S3. */
void nginx_log_redact(const char *text, size_t len, char *out);

/* What error_log has to say to match our own level. */
const char *nginx_log_level_name(enum log_level level);

#endif
