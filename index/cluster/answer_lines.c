#include "index/cluster/answer_lines.h"

#include <string.h>

/* False also where memory is short. */
static bool add(struct answer_lines *l, const char *bytes, size_t n)
{
    return buf_size(&l->line) + n <= ANSWER_LINE_MAX && memchr(bytes, '\0', n) == NULL &&
           buf_append(&l->line, bytes, n) == 0;
}

/* The line has all its bytes. */
static bool end_line(struct answer_lines *l, answer_lines_cb take, void *arg)
{
    if (buf_append(&l->line, "", 1) < 0 || !take(arg, buf_bytes(&l->line)))
        return false;
    buf_clear(&l->line);
    return true;
}

void answer_lines_add(struct answer_lines *l, const char *bytes, size_t n, answer_lines_cb take,
                      void *arg)
{
    while (n > 0 && !l->is_bad) {
        const char *newline = memchr(bytes, '\n', n);
        size_t used = newline != NULL ? (size_t)(newline - bytes) : n;

        l->is_bad = !add(l, bytes, used) || (newline != NULL && !end_line(l, take, arg));
        used += newline != NULL;
        bytes += used;
        n -= used;
    }
}

void answer_lines_deinit(struct answer_lines *l)
{
    buf_deinit(&l->line);
}
