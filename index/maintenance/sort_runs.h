/* The part of a sort that is on disk: sorted runs of entries, one after the other in an unlinked
 * file, and their merging. What was read of the file is given back to the disk at once. */
#ifndef MKV_MAINTENANCE_SORT_RUNS_H
#define MKV_MAINTENANCE_SORT_RUNS_H

#include <stdint.h>
#include <sys/types.h>

#include "index/maintenance/sort_memory.h"

#define SORT_FAN_MAX 64 /* runs that are merged at once */

/* In the file. */
struct sort_extent {
    off_t at;
    off_t end;
};

/* A run that is read. */
struct sort_input {
    struct sort_extent rest; /* of the run, not read yet */
    unsigned char *bytes;    /* what was read: `size` bytes of room, of which `at` to `end` are to
                                come */
    size_t size;
    size_t at;
    size_t end;
    struct sort_entry entry; /* its first */
};

struct sort_runs {
    /* Given. */
    int dir_fd;            /* of the directory for the file */
    unsigned char *buffer; /* for writing, borrowed */
    size_t buffer_size;
    sort_compare_cb compare;
    /* Its own; zero but for fd, which is -1, before the first run. */
    int fd;
    off_t end;                /* of the file */
    size_t buffered;          /* bytes in the buffer */
    struct sort_extent *list; /* in the order in which their entries were added */
    size_t count;
    size_t room;
    struct sort_input inputs[SORT_FAN_MAX];
    struct sort_input *heap[SORT_FAN_MAX]; /* the one with the least entry first */
    size_t n_heap;
    bool begun; /* the least entry was given out */
};

void sort_runs_deinit(struct sort_runs *runs);

/* Each returns 0 or a negative UV_E* after a log line, and then the sort is worthless. */

/* Writes entries, which are in order, as one more run. */
int sort_runs_add(struct sort_runs *runs, const struct sort_item *items, size_t n);

/* Begins to merge all runs, after passes that make fewer of them if need be, with `memory`,
 * borrowed from now on, as buffers. */
int sort_runs_begin(struct sort_runs *runs, unsigned char *memory, size_t size);

/* The next entry, valid until the next call: 1 and *entry, or 0 at the end. */
int sort_runs_next(struct sort_runs *runs, struct sort_entry *entry);

#endif
