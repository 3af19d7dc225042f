#include "launcher/commands/volume_list.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index/base/lines.h"
#include "index/cluster/volumes.h"
#include "launcher/nginx/files.h"

#define SPACE          " \t\r\n"
#define BETWEEN        " \t" /* the words of a line */
#define NAME_MAX_HERE  190   /* bytes: the store keeps 255, with the identity after it */
#define LINE_MAX_BYTES 4096
#define WEIGHT_DIGITS  4

void volume_list_deinit(struct volume_list *list)
{
    free(list->entries);
    *list = (struct volume_list){0};
}

static bool is_listed(const struct volume_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (volume_names_meet(list->entries[i].name, strlen(list->entries[i].name), name,
                              strlen(name)))
            return true;
    }
    return false;
}

/* NULL, or what is wrong with the name, in `problem`. */
static const char *check_name(const struct volume_list *list, const char *name,
                              char problem[VOLUME_LIST_TEXT_MAX])
{
    struct address address;

    if (strlen(name) > NAME_MAX_HERE)
        snprintf(problem, VOLUME_LIST_TEXT_MAX, "the volume %.100s... has a name of over %d bytes",
                 name, NAME_MAX_HERE);
    else if (volume_name_parse(name, &address) < 0)
        snprintf(problem, VOLUME_LIST_TEXT_MAX, "the volume '%.300s' is no HOST:PORT", name);
    else if (is_listed(list, name))
        snprintf(problem, VOLUME_LIST_TEXT_MAX, "the volume %s is given twice", name);
    else if (list->count == VOLUMES_MAX)
        snprintf(problem, VOLUME_LIST_TEXT_MAX, "there are more than %d volumes", VOLUMES_MAX);
    else
        return NULL;
    return problem;
}

const char *volume_list_add(struct volume_list *list, const char *name,
                            char problem[VOLUME_LIST_TEXT_MAX])
{
    const char *bad = check_name(list, name, problem);
    struct volume_entry *entries;

    if (bad != NULL)
        return bad;
    entries = realloc(list->entries, (list->count + 1) * sizeof(*entries));
    if (entries == NULL)
        return strcpy(problem, "out of memory");
    list->entries = entries;
    entries += list->count++;
    *entries = (struct volume_entry){.weight = VOLUME_WEIGHT};
    strcpy(entries->name, name);
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
static void trim(const char *line, size_t len, char text[LINE_MAX_BYTES + 1])
{
    const char *comment = memchr(line, '#', len);

    if (comment != NULL)
        len = (size_t)(comment - line);
    while (len > 0 && strchr(SPACE, *line) != NULL)
        line++, len--;
    while (len > 0 && strchr(SPACE, line[len - 1]) != NULL)
        len--;
    memcpy(text, line, len);
    text[len] = '\0';
}

/* Takes a zone's name. NULL, or what is wrong. */
static const char *set_zone(struct volume_entry *entry, const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = strlen(name);

    if (entry->zone[0] != '\0')
        return "zone= is given twice";
    if (len == 0 || len > VOLUME_ZONE_MAX || name[strspn(name, allowed)] != '\0')
        return "a zone's name is 1 to 64 letters, digits, '.', '_' and '-'";
    strcpy(entry->zone, name);
    return NULL;
}

static const char *set_weight(struct volume_entry *entry, const char *digits)
{
    size_t len = strlen(digits);
    unsigned weight = 0;

    if (entry->weight != 0)
        return "weight= is given twice";
    for (size_t i = 0; i < len && len <= WEIGHT_DIGITS; i++)
        weight = weight * 10 + (unsigned)(digits[i] - '0');
    if (digits[strspn(digits, "0123456789")] != '\0' || weight == 0 || weight > VOLUME_WEIGHT_MAX)
        return "a weight is a number from 1 to 1000";
    entry->weight = weight;
    return NULL;
}

static_assert(VOLUME_ZONE_MAX == 64 && VOLUME_WEIGHT_MAX == 1000, "the texts above say so");

/* Takes one of the words after a volume's name. NULL, or what is wrong with it, in `problem`. */
static const char *take_word(struct volume_entry *entry, const char *word,
                             char problem[VOLUME_LIST_TEXT_MAX])
{
    const char *bad = "it is neither zone=NAME nor weight=N";

    if (strncmp(word, "zone=", 5) == 0)
        bad = set_zone(entry, word + 5);
    else if (strncmp(word, "weight=", 7) == 0)
        bad = set_weight(entry, word + 7);
    if (bad == NULL)
        return NULL;
    snprintf(problem, VOLUME_LIST_TEXT_MAX, "'%.100s': %s", word, bad);
    return problem;
}

const char *volume_list_add_line(struct volume_list *list, const char *line, size_t len,
                                 char problem[VOLUME_LIST_TEXT_MAX])
{
    struct volume_entry entry = {.weight = 0};
    char text[LINE_MAX_BYTES + 1];
    const char *bad = NULL;
    char *rest = text;
    const char *name;
    const char *word;

    if (len > LINE_MAX_BYTES)
        return strcpy(problem, "it is too long");
    if (memchr(line, '\0', len) != NULL)
        return strcpy(problem, "a byte NUL is in it");
    trim(line, len, text);
    name = strsep(&rest, BETWEEN);
    if (*name == '\0')
        return NULL;
    while (bad == NULL && (word = strsep(&rest, BETWEEN)) != NULL)
        bad = *word != '\0' ? take_word(&entry, word, problem) : NULL;
    if (bad == NULL)
        bad = volume_list_add(list, name, problem);
    if (bad != NULL)
        return bad;
    strcpy(list->entries[list->count - 1].zone, entry.zone);
    if (entry.weight != 0)
        list->entries[list->count - 1].weight = entry.weight;
    return NULL;
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
        bad = volume_list_add_line(list, line, len, inner);
    }
    if (rc == -EMSGSIZE)
        bad = strcpy(inner, "it is too long");
    if (bad != NULL)
        snprintf(problem, VOLUME_LIST_TEXT_MAX, "%.100s, line %" PRIu64 ": %.250s", path,
                 lines.number, inner);
    else if (rc < 0)
        snprintf(problem, VOLUME_LIST_TEXT_MAX, "cannot read the --volumes-file %.300s: %s", path,
                 strerror(-rc));
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
        snprintf(problem, VOLUME_LIST_TEXT_MAX, "cannot read the --volumes-file %.300s: %s", path,
                 strerror(-fd));
        return problem;
    }
    bad = read_lines(list, path, fd, problem);
    close(fd);
    if (bad != NULL)
        list->count = count;
    return bad;
}
