#include "index/base/lines.h"

#include <errno.h>
#include <string.h>

#include "index/base/io.h"

int lines_next(struct lines *l, const char **line, size_t *len)
{
    const char *end = NULL;
    size_t searched = 0;
    size_t size;

    buf_consume(&l->buf, l->used);
    l->used = 0;
    for (;;) {
        ssize_t n;

        size = buf_size(&l->buf);
        if (size > searched)
            end = memchr(buf_bytes(&l->buf) + searched, '\n', size - searched);
        searched = size;
        if (end != NULL || size > l->max || l->at_end)
            break;
        n = io_read_some(l->fd, &l->buf);
        if (n < 0)
            return (int)n;
        l->at_end = n == 0;
    }
    if (size == 0)
        return 0;
    l->number++;
    *line = buf_bytes(&l->buf);
    *len = end != NULL ? (size_t)(end - *line) : size;
    l->used = *len + (end != NULL);
    return *len > l->max ? -EMSGSIZE : 1;
}

void lines_deinit(struct lines *lines)
{
    buf_deinit(&lines->buf);
}
