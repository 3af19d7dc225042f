#include "launcher/volume/blob_lines.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/base64.h"
#include "launcher/volume/sync_path.h"

/* Where the next path and the next attribute go. */
struct room {
    char *path;
    unsigned char *attribute;
};

static size_t count_lines(const char *body, size_t len)
{
    size_t n = 1;

    for (const char *at = body; (at = memchr(at, '\n', len - (size_t)(at - body))) != NULL; at++)
        n++;
    return n;
}

/* One allocation: the paths, then the attributes, then their bytes. */
static int make_room(const char *body, size_t len, struct blob_lines *lines, struct room *room)
{
    bool has_attributes = len > 0 && memchr(body, '\t', len) != NULL;
    size_t align = _Alignof(struct attribute);
    size_t paths = (len + align) / align * align;
    size_t n = has_attributes ? count_lines(body, len) : 0;

    lines->paths = calloc(1, paths + n * sizeof(struct attribute) + (n > 0 ? len : 0));
    if (lines->paths == NULL)
        return -ENOMEM;
    lines->attributes = n > 0 ? (struct attribute *)(void *)(lines->paths + paths) : NULL;
    room->path = lines->paths;
    room->attribute = (unsigned char *)lines->paths + paths + n * sizeof(struct attribute);
    return 0;
}

/* `text` is what stands after the TAB, NULL where there is none. */
static int add_attribute(struct blob_lines *lines, struct room *room, const char *text, size_t len,
                         enum blob_lines_form form)
{
    size_t n;

    if (text == NULL)
        return form == BLOB_LINES_MUST_HAVE ? -EBADMSG : 0;
    if (form == BLOB_LINES_PATHS || lines->attributes == NULL ||
        base64_decode(text, len, room->attribute, &n) < 0 || n > ATTRIBUTE_MAX)
        return -EBADMSG;
    lines->attributes[lines->n] = (struct attribute){.bytes = room->attribute, .len = n};
    room->attribute += n;
    return 0;
}

static int add_line(struct blob_lines *lines, struct room *room, const char *line, size_t len,
                    enum blob_lines_form form)
{
    const char *tab = memchr(line, '\t', len);
    size_t n = tab != NULL ? (size_t)(tab - line) : len;
    int rc;

    if (!sync_path_is_valid(line, n))
        return -EINVAL;
    rc = add_attribute(lines, room, tab != NULL ? tab + 1 : NULL, tab != NULL ? len - n - 1 : 0,
                       form);
    if (rc < 0)
        return rc;
    memcpy(room->path, line + 1, n - 1);
    room->path[n - 1] = '\0';
    room->path += n;
    lines->n++;
    return 0;
}

int blob_lines_parse(const char *body, size_t len, enum blob_lines_form form,
                     struct blob_lines *lines)
{
    struct room room;
    int rc;

    *lines = (struct blob_lines){.n = 0};
    rc = make_room(body, len, lines, &room);
    if (rc < 0)
        return rc;
    while (rc == 0 && len > 0) {
        const char *end = memchr(body, '\n', len);
        size_t n = end != NULL ? (size_t)(end - body) : len;
        size_t used = end != NULL ? n + 1 : n;

        rc = add_line(lines, &room, body, n, form);
        body += used;
        len -= used;
    }
    if (rc == 0 && lines->n > 0)
        return 0;
    free(lines->paths);
    lines->paths = NULL;
    lines->attributes = NULL;
    return rc < 0 ? rc : -EINVAL;
}
