#include "index/maintenance/backup_read.h"

#include <errno.h>
#include <string.h>

static int refuse(struct backup_read *r, const char *problem)
{
    r->problem = problem;
    return -EILSEQ;
}

static int take_line(struct backup_read *r, const char *text, size_t len)
{
    const char *problem;

    if (len > DUMP_LINE_MAX)
        return refuse(r, "has a line that is too long");
    problem = dump_read_line(&r->reader, text, len, &r->line);
    if (problem != NULL)
        return refuse(r, "has a line that is none of a dump's");
    if (r->line.kind == DUMP_KEY || r->line.kind == DUMP_ORPHAN)
        return r->line_cb(&r->line, r->arg);
    return 0;
}

/* Takes the whole lines of what was unpacked, and keeps the rest. */
static int unpacked_cb(const char *bytes, size_t n, void *arg)
{
    struct backup_read *r = arg;
    const char *newline;
    const char *at;
    size_t left;
    int rc = 0;

    if (buf_append(&r->text, bytes, n) < 0)
        return -ENOMEM;
    at = buf_bytes(&r->text);
    left = buf_size(&r->text);
    while (rc == 0 && (newline = memchr(at, '\n', left)) != NULL) {
        rc = take_line(r, at, (size_t)(newline - at));
        left -= (size_t)(newline - at) + 1;
        at = newline + 1;
    }
    if (rc == 0 && left > DUMP_LINE_MAX)
        return refuse(r, "has a line that is too long");
    buf_consume(&r->text, buf_size(&r->text) - left);
    return rc;
}

int backup_read_add(struct backup_read *r, const void *bytes, size_t n)
{
    int rc;

    if (r->gunzip == NULL)
        r->gunzip = gunzip_new();
    if (r->gunzip == NULL)
        return -ENOMEM;
    rc = gunzip_add(r->gunzip, bytes, n, unpacked_cb, r);
    return rc == -EILSEQ && r->problem == NULL ? refuse(r, "is damaged") : rc;
}

int backup_read_end(struct backup_read *r)
{
    if (r->gunzip == NULL || !gunzip_is_whole(r->gunzip))
        return refuse(r, "is cut off");
    if (buf_size(&r->text) > 0 || !r->reader.ended)
        return refuse(r, "lacks the end of its dump");
    return 0;
}

void backup_read_deinit(struct backup_read *r)
{
    gunzip_free(r->gunzip);
    buf_deinit(&r->text);
    r->gunzip = NULL;
}
