/* The names in one directory that come next, in the order of their bytes, in bounded memory: when
 * there are too many, the greatest are given up, for a later reading of the directory to find. A
 * directory's name ends in a '/', so that names are in the order of the paths that begin with them.
 * Embedded by value; all zero is empty.
 *
 * All is in one block: the names from its front on, each with a NUL after it, and at its end the
 * numbers of their first bytes. A large block is a mapping of its own, so that no thread's heap
 * keeps it. */
#ifndef MKV_LAUNCHER_LIST_NAMES_H
#define MKV_LAUNCHER_LIST_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIST_NAME_MAX    256         /* bytes of a name, with its '/' */
#define LIST_NAMES_LEAST (16 * 1024) /* bytes that any limit leaves */

struct list_names {
    char *block;
    size_t size;     /* of that; */
    size_t used;     /* by names, from the front on */
    size_t n;        /* names */
    bool is_mapped;  /* else the block is malloc's */
    bool is_partial; /* some names were given up, from this one on: */
    char ceiling[LIST_NAME_MAX + 1];
};

/* Empties it, and keeps what little memory an ordinary directory takes. */
void list_names_clear(struct list_names *names);
void list_names_deinit(struct list_names *names);

/* Whether the name would be given up. */
bool list_names_refuse(const struct list_names *names, const char *name);

/* Adds a name of at most LIST_NAME_MAX bytes, unless it is one of those to be given up so that no
 * more than `limit` bytes, at least LIST_NAMES_LEAST, are held. 0 or -ENOMEM. */
int list_names_add(struct list_names *names, const char *name, size_t len, size_t limit);

/* Puts them in order. Nothing is added after that. */
void list_names_sort(struct list_names *names);

/* The name at `i`, below names->n. It expires when names are added, or cleared. */
const char *list_names_at(const struct list_names *names, size_t i);

#endif
