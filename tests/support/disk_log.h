/* Records what a process does to one directory and the files in it (interpose.h catches the calls),
 * in order and from all threads, so that disk_image.h can tell what a power cut would have left.
 *
 *     top/             known for its one entry
 *     top/DIR/         the directory: plain files only
 *     top/DIR/NAME     links and renames within it
 *
 * One log at a time in a process. It starts with what is on the disk for sure, the base, and goes
 * on until it is stopped. An fsync or fdatasync covers what had been done when it began; it takes a
 * random moment, so that other threads get ahead of it. One that fails covers nothing, and neither
 * does a later one what was written to a file before it: the kernel takes such pages for clean. */
#ifndef MKV_TESTS_SUPPORT_DISK_LOG_H
#define MKV_TESTS_SUPPORT_DISK_LOG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DISK_NAME_MAX 32
#define DISK_FILES    4096 /* that ever were */
#define DISK_NAMES    64   /* at once */

enum disk_op_kind {
    DISK_WRITE,
    DISK_RESIZE,
    DISK_MKDIR,
    DISK_NAME, /* a creation or a link */
    DISK_UNNAME,
    DISK_RENAME,
    DISK_SYNC,
    DISK_SYNC_FAILED
};

/* Files go by numbers; these two are directories. */
enum { DISK_NO_FILE, DISK_TOP, DISK_DIRECTORY, DISK_FIRST_FILE };

struct disk_op {
    enum disk_op_kind kind;
    unsigned file;            /* what is written, named, or synced */
    uint64_t at;              /* write: offset; resize: size; sync: what is covered ends here */
    size_t n;                 /* write: bytes */
    unsigned char *bytes;     /* write */
    char name[DISK_NAME_MAX]; /* of a name op; the new one of a rename */
    char from[DISK_NAME_MAX]; /* of a rename */
};

struct disk_name {
    char name[DISK_NAME_MAX];
    unsigned file;
};

struct disk_names {
    struct disk_name list[DISK_NAMES];
    unsigned n;
};

/* Starts to record. The present state of the directory, which need not be there, is the base. A
 * sync takes `sync_us` microseconds at most. */
void disk_log_start(const char *directory, unsigned sync_us, uint64_t seed);

/* Stops and forgets all. No file of the directory is open. */
void disk_log_stop(void);

/* What was recorded, up to now. Any thread; stays true of what it counts. */
size_t disk_log_length(void);
size_t disk_log_base(void);

/* Valid until the log is cut or stops. Nothing is being recorded meanwhile. */
const struct disk_op *disk_log_ops(void);

/* Takes everything after the first `length` ops back, in the log and in the directory, as if the
 * process had been killed then: what wasn't synced is there but may still be lost. No file of the
 * directory is open. */
void disk_log_cut(size_t length);

/* Ends the program with a line on stderr unless the directory is what the log makes of it. */
void disk_log_verify(void);

/* --- Of use to disk_image.c ------------------------------------------------------------------ */

/* Makes an op on names that happened visible in a list of names. */
void disk_names_apply(struct disk_names *names, const struct disk_op *op);

/* The number of a name's file, or DISK_NO_FILE. */
unsigned disk_names_find(const struct disk_names *names, const char *name);

#endif
