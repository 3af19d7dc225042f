#include "launcher/commands/volume_list.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "index/base/address.h"
#include "index/base/lines.h"
#include "index/cluster/volumes.h"
#include "launcher/nginx/files.h"

#define SPACE          " \t\r\n"
#define NAME_MAX_HERE  190 /* bytes: the store keeps 255, with the identity behind it */
#define LINE_MAX_BYTES 4096

void volume_list_deinit(struct volume_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->names[i]);
    free(list->names);
    *list = (struct volume_list){0};
}

const char *volume_list_add(struct volume_list *list, const char *name,
                            char problem[VOLUME_LIST_TEXT_MAX])
{
    struct address address;
    char **names;
    char *copy;

    if (strlen(name) > NAME_MAX_HERE) {
        snprintf(problem, VOLUME_LIST_TEXT_MAX, "the volume %.100s... has a name of over %d bytes",
                 name, NAME_MAX_HERE);
        return problem;
    }
    if (address_parse(name, false, &address) < 0) {
        snprintf(problem, VOLUME_LIST_TEXT_MAX, "the volume '%.300s' is no HOST:PORT", name);
        return problem;
    }
    for (size_t i = 0; i < list->count; i++) {
        if (strcasecmp(list->names[i], name) == 0) {
            snprintf(problem, VOLUME_LIST_TEXT_MAX, "the volume %s is given twice", name);
            return problem;
        }
    }
    if (list->count == VOLUMES_MAX) {
        snprintf(problem, VOLUME_LIST_TEXT_MAX, "there are more than %d volumes", VOLUMES_MAX);
        return problem;
    }
    copy = strdup(name);
    names = realloc(list->names, (list->count + 1) * sizeof(*names));
    if (names != NULL)
        list->names = names;
    if (copy == NULL || names == NULL) {
        free(copy);
        return strcpy(problem, "out of memory");
    }
    names[list->count++] = copy;
    return NULL;
}

/* Some editors begin a file with one. */
static void skip_byte_order_mark(const char **line, size_t *len)
{
    static const char mark[] = "\xef\xbb\xbf";
    bool found = *len >= 3 && memcmp(*line, mark, 3) == 0;

    *line += found ? 3 : 0;
    *len -= found ? 3 : 0;
}

/* Copies what counts of a line. */
static void trim(const char *line, size_t len, char name[LINE_MAX_BYTES + 1])
{
    const char *comment = memchr(line, '#', len);

    if (comment != NULL)
        len = (size_t)(comment - line);
    while (len > 0 && strchr(SPACE, *line) != NULL)
        line++, len--;
    while (len > 0 && strchr(SPACE, line[len - 1]) != NULL)
        len--;
    memcpy(name, line, len);
    name[len] = '\0';
}

/* Adds the volume of a line, if there is one in it. NULL, or what is wrong. */
static const char *add_line(struct volume_list *list, const char *line, size_t len,
                            char problem[VOLUME_LIST_TEXT_MAX])
{
    char name[LINE_MAX_BYTES + 1];

    if (memchr(line, '\0', len) != NULL)
        return strcpy(problem, "a byte NUL is in it");
    trim(line, len, name);
    return *name != '\0' ? volume_list_add(list, name, problem) : NULL;
}

static const char *read_lines(struct volume_list *list, const char *path, int fd,
                              char problem[VOLUME_LIST_TEXT_MAX])
{
    struct lines lines = {.fd = fd, .max = LINE_MAX_BYTES};
    char inner[VOLUME_LIST_TEXT_MAX];
    const char *bad = NULL;
    const char *line;
    size_t len;
    int rc = 1;

    while (bad == NULL && (rc = lines_next(&lines, &line, &len)) > 0) {
        if (lines.number == 1)
            skip_byte_order_mark(&line, &len);
        bad = add_line(list, line, len, inner);
    }
    if (rc == -EMSGSIZE)
        bad = strcpy(inner, "it is too long");
    if (bad != NULL)
        snprintf(problem, VOLUME_LIST_TEXT_MAX, "%.100s, line %" PRIu64 ": %.250s", path,
                 lines.number, inner);
    else if (rc < 0)
        snprintf(problem, VOLUME_LIST_TEXT_MAX, "cannot read %.300s: %s", path, strerror(-rc));
    lines_deinit(&lines);
    return bad != NULL || rc < 0 ? problem : NULL;
}

const char *volume_list_read(struct volume_list *list, const char *path,
                             char problem[VOLUME_LIST_TEXT_MAX])
{
    size_t count = list->count;
    const char *bad;
    int fd = files_open_plain(AT_FDCWD, path, 0);

    if (fd < 0) {
        snprintf(problem, VOLUME_LIST_TEXT_MAX, "cannot read %.300s: %s", path, strerror(-fd));
        return problem;
    }
    bad = read_lines(list, path, fd, problem);
    close(fd);
    while (bad != NULL && list->count > count)
        free(list->names[--list->count]);
    return bad;
}
