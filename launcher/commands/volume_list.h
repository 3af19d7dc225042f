/* The volumes of an index: from the command line, and from a file with one a line. */
#ifndef MKV_LAUNCHER_VOLUME_LIST_H
#define MKV_LAUNCHER_VOLUME_LIST_H

#include <stddef.h>

#include "index/cluster/volumes.h"

#define VOLUME_LIST_TEXT_MAX 400

/* All zero is empty. */
struct volume_list {
    struct volume_entry *entries; /* owned */
    size_t count;
};

void volume_list_deinit(struct volume_list *list);

/* Adds a volume, with its host as its zone and the default weight. NULL, or what is wrong with it,
 * in `problem`; the list is as it was. */
const char *volume_list_add(struct volume_list *list, const char *name,
                            char problem[VOLUME_LIST_TEXT_MAX]);

/* Adds that of a line, `len` bytes: "HOST:PORT [zone=NAME] [weight=N]"; a blank one, and what comes
 * after a '#', don't count. NULL, or what is wrong, in `problem` or a constant; the list is as it
 * was. */
const char *volume_list_add_line(struct volume_list *list, const char *line, size_t len,
                                 char problem[VOLUME_LIST_TEXT_MAX]);

/* Adds those of a file of such lines. NULL, or what is wrong, in `problem`, which names the file
 * and the line; the list is as it was. */
const char *volume_list_read(struct volume_list *list, const char *path,
                             char problem[VOLUME_LIST_TEXT_MAX]);

#endif
