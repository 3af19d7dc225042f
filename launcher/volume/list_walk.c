/* A stack of directories, each with its names in order. The one on top is being read, or its names
 * are taken one after the other: a file is listed, a directory goes on top. One that had more names
 * than fit is read again for those that come after.
 *
 * Only the one on top is open, since paths can be hundreds of directories deep; the one below is
 * opened again by its path when its turn comes.
 *
 * Failures: what isn't there any more is skipped, and so is what isn't a plain file or a directory;
 * all else ends the walk, for a listing that lacks something must not look whole. */
#include "launcher/volume/list_walk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/volume/list_line.h"
#include "launcher/volume/list_read.h"
#include "launcher/volume/sync_disk.h"

struct level {
    struct list_names names;
    size_t next;     /* name to be taken */
    size_t path_len; /* of the directory */
};

struct list_walk {
    int root;
    uint64_t left;   /* blobs that may still be listed */
    bool attributes; /* of the files are listed, too */
    size_t memory;
    bool begun;
    struct level *levels;
    size_t depth;                  /* levels in use; */
    size_t room;                   /* and there */
    int fd;                        /* of the directory on top, or -1 */
    bool reading;                  /* it is being read */
    struct list_reading at;        /* the directory on top */
    char again[LIST_NAME_MAX + 1]; /* `bound` where it is read again */
    char after[SYNC_PATH_MAX];
    unsigned char value[LIST_VALUE_MAX];
};

struct list_walk *list_walk_new(int directory, const char *after, size_t len, uint64_t limit,
                                bool attributes, size_t memory)
{
    struct list_walk *w = calloc(1, sizeof(*w));

    assert(len < sizeof(w->after) && limit > 0);
    if (w == NULL)
        return NULL;
    w->root = directory;
    w->left = limit;
    w->attributes = attributes;
    w->memory = memory;
    w->fd = -1;
    memcpy(w->after, after, len);
    return w;
}

static void close_top(struct list_walk *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
}

void list_walk_free(void *walk)
{
    struct list_walk *w = walk;

    close_top(w);
    for (size_t i = 0; i < w->room; i++)
        list_names_deinit(&w->levels[i].names);
    free(w->levels);
    free(w);
}

static struct level *top(struct list_walk *w)
{
    return &w->levels[w->depth - 1];
}

/* Whether this says that something has gone, or is no plain file or directory any more. */
static bool is_gone(int rc)
{
    return rc == -ENOENT || rc == -ENOTDIR || rc == -ELOOP || rc == -ENXIO;
}

/* --- The stack ------------------------------------------------------------------------------- */

/* Opens the directory on top where it isn't. 0 or -errno. */
static int open_top(struct list_walk *w)
{
    if (w->fd < 0)
        w->fd = sync_disk_open(w->root, w->at.path_len > 0 ? w->at.path + 1 : ".", O_DIRECTORY);
    return w->fd < 0 ? w->fd : 0;
}

static void pop(struct list_walk *w)
{
    list_names_clear(&top(w)->names);
    close_top(w);
    w->reading = false;
    w->depth--;
    if (w->depth > 0)
        w->at.path_len = top(w)->path_len;
    w->at.path[w->at.path_len] = '\0';
}

/* What the path is to be greater than, beginning after the directory's own. Where `after` isn't in
 * the directory, all of this comes after it. */
static const char *bound_of(const struct list_walk *w)
{
    bool is_inside =
        strncmp(w->after, w->at.path, w->at.path_len) == 0 && w->after[w->at.path_len] == '/';

    return is_inside ? w->after + w->at.path_len + 1 : "";
}

/* Puts the directory at w->at.path on top. */
static int push(struct list_walk *w)
{
    if (w->depth == w->room) {
        size_t room = w->room > 0 ? w->room * 2 : 8;
        struct level *levels = realloc(w->levels, room * sizeof(*levels));

        if (levels == NULL)
            return -ENOMEM;
        memset(levels + w->room, 0, (room - w->room) * sizeof(*levels));
        w->levels = levels;
        w->room = room;
    }
    close_top(w);
    w->depth++;
    top(w)->next = 0;
    top(w)->path_len = w->at.path_len;
    w->reading = true;
    w->at.is_again = false;
    w->at.bound = bound_of(w);
    return 0;
}

/* --- Reading a directory --------------------------------------------------------------------- */

/* Half of what is left of the memory, for those below may be large, too. */
static size_t limit_of_names(struct list_walk *w)
{
    size_t held = 0;
    size_t limit;

    for (size_t i = 0; i + 1 < w->depth; i++)
        held += w->levels[i].names.size;
    limit = held < w->memory ? (w->memory - held) / 2 : 0;
    return limit > LIST_NAMES_LEAST ? limit : LIST_NAMES_LEAST;
}

/* Some of the directory. 0 or -errno. */
static int read_some(struct list_walk *w)
{
    struct list_names *names = &top(w)->names;
    int rc = open_top(w);

    if (rc == 0)
        rc = list_read_some(&w->at, w->fd, names, limit_of_names(w));
    if (rc == 0) {
        list_names_sort(names);
        w->reading = false;
    }
    return rc < 0 ? rc : 0;
}

/* For the names after the last of those that fitted. */
static void read_again(struct list_walk *w)
{
    struct level *level = top(w);

    strcpy(w->again, list_names_at(&level->names, level->names.n - 1));
    list_names_clear(&level->names);
    close_top(w);
    level->next = 0;
    w->at.bound = w->again;
    w->at.is_again = true;
    w->reading = true;
}

/* --- Listing --------------------------------------------------------------------------------- */

static int list_file(struct list_walk *w, const char *name, struct piece *piece)
{
    int rc = open_top(w);

    if (rc == 0)
        rc = list_line_append(w->fd, w->at.path, name, w->attributes ? w->value : NULL,
                              &piece->bytes);
    if (rc < 0)
        return rc;
    w->left--;
    if (w->left > 0)
        return 0;
    piece->last = true;
    return buf_append_format(&piece->bytes, "more\t%s/%s\n", w->at.path, name);
}

/* Where a name leads to; w->at.path is that while this is looked at, for messages. */
static int take_name(struct list_walk *w, const char *name, struct piece *piece)
{
    size_t len = strlen(name);
    int rc;

    if (name[len - 1] == '/') {
        w->at.path_len += (size_t)sprintf(w->at.path + w->at.path_len, "/%.*s", (int)len - 1, name);
        return push(w);
    }
    rc = list_file(w, name, piece);
    if (rc < 0 && !is_gone(rc))
        sprintf(w->at.path + w->at.path_len, "/%s", name);
    return is_gone(rc) ? 0 : rc;
}

/* The next of what is to be done. */
static int step(struct list_walk *w, struct piece *piece)
{
    struct level *level = top(w);
    const char *name;
    int rc = 0;

    if (w->reading) {
        rc = read_some(w);
        if (is_gone(rc) && w->depth > 1) {
            pop(w);
            rc = 0;
        }
    } else if (level->next < level->names.n) {
        name = list_names_at(&level->names, level->next);
        level->next++;
        if (level->next == 1 || strcmp(name, list_names_at(&level->names, level->next - 2)) != 0)
            rc = take_name(w, name, piece);
    } else if (level->names.is_partial) {
        read_again(w);
    } else {
        pop(w);
    }
    return rc;
}

void list_walk_make(void *walk, struct piece *piece, uint64_t until)
{
    struct list_walk *w = walk;
    int rc = 0;

    if (!w->begun) {
        w->begun = true;
        rc = push(w);
    }
    while (rc == 0 && w->depth > 0 && !piece->last && buf_size(&piece->bytes) < PIECE_BYTES &&
           uv_hrtime() < until)
        rc = step(w, piece);
    if (rc == 0 && w->depth == 0) {
        piece->last = true;
        rc = buf_append_string(&piece->bytes, "end\n");
    }
    if (rc < 0)
        snprintf(piece->failure, sizeof(piece->failure), "cannot list %s: %s",
                 w->at.path[0] != '\0' ? w->at.path : "/", strerror(-rc));
}
