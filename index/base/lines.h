/* The lines of a file, one after the other, however long the file is. */
#ifndef MKV_BASE_LINES_H
#define MKV_BASE_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "index/base/buf.h"

/* Set `fd`, borrowed, and `max`, and zero the rest; lines_deinit() frees. */
struct lines {
    int fd;
    size_t max;      /* bytes of a line, its end not counted */
    uint64_t number; /* of the line that was read last, from 1 on */
    struct buf buf;
    size_t used; /* bytes of `buf` that are the last line */
    bool at_end;
};

/* The next line, without its end, which the last one may lack: 1, and *line of *len bytes, valid
 * until the next call. 0 at the end; -EMSGSIZE when it is over `max`; -ENOMEM, or what read(2)
 * failed with. */
int lines_next(struct lines *lines, const char **line, size_t *len);

void lines_deinit(struct lines *lines);

#endif
