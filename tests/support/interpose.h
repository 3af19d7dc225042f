/* The calls by which a process changes files and gets memory, caught for all of it: interpose.c
 * defines them, and libraries (libgdbm, libuv, libc's own strdup() and opendir()) find these before
 * libc's. Its source belongs to the executable, which exports its symbols (ENABLE_EXPORTS).
 *
 * Files: open, close, write, pwrite, pwritev, ftruncate, fsync, fdatasync, link, rename, unlink,
 * mkdir, mmap, read, pread. Memory: malloc, calloc, realloc, and mmap of none. What gets by (calls
 * that mkv and libgdbm don't make, as of writev, and stdio, which libc does by itself) changes a
 * directory unseen: compare it with what was seen (disk_log.h does).
 *
 * fsync and fdatasync don't reach the disk: the process may die, the machine had better not. */
#ifndef MKV_TESTS_SUPPORT_INTERPOSE_H
#define MKV_TESTS_SUPPORT_INTERPOSE_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

enum interpose_call {
    INTERPOSE_OPEN,
    INTERPOSE_CLOSE,
    INTERPOSE_WRITE,
    INTERPOSE_RESIZE,
    INTERPOSE_SYNC,
    INTERPOSE_LINK,
    INTERPOSE_RENAME,
    INTERPOSE_UNLINK,
    INTERPOSE_MKDIR,
    INTERPOSE_MAP,  /* of a file */
    INTERPOSE_READ, /* of a file, or a directory's names */
    INTERPOSE_MEMORY,
    INTERPOSE_CALLS
};

struct interpose_event {
    enum interpose_call call;
    int fd;                  /* -1: by path */
    const char *path;        /* NULL: by fd */
    const char *to;          /* of link and rename: the new name */
    int flags;               /* open: its flags; map: its protection and flags, or'ed */
    off_t offset;            /* write: where; resize: the size */
    const struct iovec *iov; /* write */
    int n_iov;
    size_t limit;   /* write: no more than so many bytes, 0: all; for interpose_fault_cb to set */
    ssize_t result; /* of the call, -1 with errno `error` */
    int error;
    size_t mark; /* the watcher's, from before to after */
};

/* Before each call of any thread but those made inside these callbacks: 0, or the errno that it is
 * to fail with. NULL: none fails. */
typedef int (*interpose_fault_cb)(struct interpose_event *event);
void interpose_set_fault(interpose_fault_cb cb);

/* Around each call but those of read and memory, failed ones too. NULL: nobody watches. Set it
 * while no other thread calls anything. */
struct interpose_watch {
    void (*before)(struct interpose_event *event);
    void (*after)(const struct interpose_event *event);
};
void interpose_set_watch(const struct interpose_watch *watch);

#endif
