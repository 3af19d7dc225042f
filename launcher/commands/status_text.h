/* What a running index says of itself, as lines for people. */
#ifndef MKV_LAUNCHER_STATUS_TEXT_H
#define MKV_LAUNCHER_STATUS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Writes the answer of the admin socket's /status; with `colour`, for a terminal that shows some.
 * Nothing that came from a volume or a client reaches it as a control character. 0, or -errno with
 * nothing written: -EPROTO when that is no such answer. */
int status_text_write(FILE *out, bool colour, const char *answer, size_t len);

#endif
