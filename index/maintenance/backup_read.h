/* The bytes of a backup, a gzip of a dump, as lines: in bounded memory, whatever the bytes are. */
#ifndef MKV_MAINTENANCE_BACKUP_READ_H
#define MKV_MAINTENANCE_BACKUP_READ_H

#include "index/base/gzip.h"
#include "index/maintenance/dump_line.h"

/* Set the first two, and zero the rest; backup_read_deinit() frees. */
struct backup_read {
    /* Gets each key and each orphan. They count only once the backup turns out to be whole. 0, or
     * negative to end all with that. */
    int (*line_cb)(const struct dump_line *line, void *arg);
    void *arg;
    struct dump_reader reader;
    struct gunzip *gunzip;
    struct buf text;     /* the beginning of a line whose rest is to come */
    const char *problem; /* what is wrong with the bytes, once they are damaged; else NULL */
    struct dump_line line;
};

/* Takes the next bytes. 0; -EILSEQ when they are no part of a backup, with `problem`; -ENOMEM; or
 * what line_cb returned. After a failure only backup_read_deinit() may follow. */
int backup_read_add(struct backup_read *read, const void *bytes, size_t n);

/* All were there. 0 when they were a whole backup, else -EILSEQ with `problem`. */
int backup_read_end(struct backup_read *read);

void backup_read_deinit(struct backup_read *read);

#endif
