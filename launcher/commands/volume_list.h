/* The volumes of an index: from the command line, and from a file with one a line. */
#ifndef MKV_LAUNCHER_VOLUME_LIST_H
#define MKV_LAUNCHER_VOLUME_LIST_H

#include <stddef.h>

#define VOLUME_LIST_TEXT_MAX 400

/* All zero is empty. */
struct volume_list {
    char **names; /* owned */
    size_t count;
};

void volume_list_deinit(struct volume_list *list);

/* Adds a volume. NULL, or what is wrong with it, in `problem`; the list is as it was. */
const char *volume_list_add(struct volume_list *list, const char *name,
                            char problem[VOLUME_LIST_TEXT_MAX]);

/* Adds those of a file: lines of "HOST:PORT"; blank ones and what is behind a '#' don't count.
 * Likewise; `problem` names the file and the line. */
const char *volume_list_read(struct volume_list *list, const char *path,
                             char problem[VOLUME_LIST_TEXT_MAX]);

#endif
