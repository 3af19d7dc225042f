#include "launcher/volume_list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/base/address.h"
#include "index/cluster/volumes.h"

#define SPACE         " \t\r\n"
#define NAME_MAX_HERE 190 /* bytes: the store keeps 255, with the identity behind it */

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

/* What counts of a line. */
static char *trim(char *line)
{
    size_t n;

    line[strcspn(line, "#")] = '\0';
    line += strspn(line, SPACE);
    n = strlen(line);
    while (n > 0 && strchr(SPACE, line[n - 1]) != NULL)
        line[--n] = '\0';
    return line;
}

/* Anything else, such as a FIFO, could make the reader wait. */
static FILE *open_regular(const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    FILE *in;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
        close(fd);
        errno = EINVAL;
        return NULL;
    }
    in = fdopen(fd, "r");
    if (in == NULL)
        close(fd);
    return in;
}

const char *volume_list_read(struct volume_list *list, const char *path,
                             char problem[VOLUME_LIST_TEXT_MAX])
{
    FILE *in = open_regular(path);
    size_t count = list->count;
    const char *bad = NULL;
    char inner[VOLUME_LIST_TEXT_MAX];
    size_t size = 0;
    char *line = NULL;
    unsigned number = 0;

    if (in == NULL) {
        snprintf(problem, VOLUME_LIST_TEXT_MAX, "cannot read %.300s: %s", path, strerror(errno));
        return problem;
    }
    while (bad == NULL && getline(&line, &size, in) >= 0) {
        const char *name = trim(line);

        number++;
        if (*name != '\0')
            bad = volume_list_add(list, name, inner);
    }
    if (bad != NULL)
        snprintf(problem, VOLUME_LIST_TEXT_MAX, "%.100s, line %u: %.250s", path, number, inner);
    else if (ferror(in))
        snprintf(problem, VOLUME_LIST_TEXT_MAX, "cannot read %.300s: %s", path, strerror(errno));
    else
        problem = NULL;
    free(line);
    fclose(in);
    while (problem != NULL && list->count > count)
        free(list->names[--list->count]);
    return problem;
}
