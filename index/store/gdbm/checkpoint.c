#include "index/store/gdbm/checkpoint.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "index/store/gdbm/directory.h"
#include "index/store/gdbm/journal.h"
#include "index/store/gdbm/merge.h"
#include "index/store/gdbm/step.h"

struct paths {
    char table[PATH_MAX];
    char spare[PATH_MAX];
    char next[PATH_MAX];
};

static void make_paths(const char *directory, struct paths *p)
{
    snprintf(p->table, PATH_MAX, "%s/" TABLE_NAME, directory);
    snprintf(p->spare, PATH_MAX, "%s/" SPARE_NAME, directory);
    snprintf(p->next, PATH_MAX, "%s/" NEXT_NAME, directory);
}

static int sync_names(const char *directory)
{
    int rc = directory_sync(directory);

    return rc < 0 ? directory_failed("sync", directory, -rc) : 0;
}

/* A file never gives pages back: after many keys are gone it is made anew. */
static bool is_bloated(const char *path, size_t pages)
{
    struct stat st;

    return stat(path, &st) == 0 && (uint64_t)st.st_size / (PAGE_SIZE + 4) > 2 * pages + 256;
}

/* Takes the spare as the next table if it is the one before the current. The new name is on disk
 * before the file changes: a spare is always whole. 0, or UV_ENOENT when there is none that fits.
 */
static int open_spare(const char *directory, const struct paths *p, uint32_t generation,
                      size_t pages, struct table **table)
{
    struct table_header header;
    int rc;

    if (is_bloated(p->spare, pages)) {
        unlink(p->spare); /* the new file may need its room */
        return UV_ENOENT;
    }
    if (rename(p->spare, p->next) < 0)
        return errno == ENOENT ? UV_ENOENT : directory_failed("rename", p->spare, errno);
    engine_step("checkpoint: spare renamed");
    rc = sync_names(directory);
    if (rc < 0)
        return rc;
    rc = table_open(p->next, TABLE_UPDATE, table);
    if (rc < 0)
        return UV_ENOENT;
    rc = table_read_header(*table, &header);
    if (rc == 0 && header.generation == generation)
        return 0;
    table_close(*table);
    return UV_ENOENT;
}

/* Makes next.gdbm the table, and the table the spare. A crash in between leaves both names on one
 * file; checkpoint_clean_up() sees that. */
static int flip(const struct paths *p)
{
    engine_step("checkpoint: next written");
    if (unlink(p->spare) < 0 && errno != ENOENT)
        return directory_failed("remove", p->spare, errno);
    if (link(p->table, p->spare) < 0 && errno != ENOENT)
        return directory_failed("link", p->spare, errno);
    engine_step("checkpoint: spare linked");
    if (rename(p->next, p->table) < 0) {
        unlink(p->spare);
        return directory_failed("rename", p->next, errno);
    }
    return 0;
}

static int write_next(struct checkpoint *c, const struct paths *p, struct table *from)
{
    struct merge merge = {
        .from = from,
        .old = c->old,
        .changes = c->changes,
        .generation = c->header.generation,
        .cancel = &c->cancel,
        .fences = &c->fences,
    };
    int rc = UV_ENOENT;

    if (c->header.generation > 2)
        rc = open_spare(c->directory, p, c->header.generation - 2, c->old->count, &merge.to);
    if (rc == UV_ENOENT && unlink(p->next) < 0 && errno != ENOENT)
        return directory_failed("remove", p->next, errno); /* it may be another name of the table */
    if (rc == UV_ENOENT) {
        merge.copy_all = true;
        rc = table_open(p->next, TABLE_CREATE, &merge.to);
    }
    if (rc < 0)
        return rc;
    engine_step("checkpoint: next opened");
    rc = merge_run(&merge);
    engine_step("checkpoint: pages written");
    if (rc == 0)
        rc = table_write_header(merge.to, &c->header);
    if (rc < 0) {
        table_close(merge.to);
        return rc;
    }
    engine_step("checkpoint: header written");
    return table_finish(merge.to);
}

/* What was flipped is the table, even if it can't be said to be on disk: then the journal after it
 * stays until the next checkpoint, which must not write to the spare either: to the disk that file
 * may still be the table. */
static void finish(struct checkpoint *c, const struct paths *p)
{
    engine_step("checkpoint: flipped");
    if (sync_names(c->directory) < 0) {
        unlink(p->spare);
        return;
    }
    engine_step("checkpoint: flip on disk");
    journal_drop(c->directory, c->header.block);
}

int checkpoint_run(struct checkpoint *c)
{
    struct table *from = NULL;
    struct paths p;
    int rc = 0;

    make_paths(c->directory, &p);
    c->table = NULL;
    c->fences = (struct fences){0};
    if (c->old->count > 0)
        rc = table_open(p.table, TABLE_READ, &from);
    if (rc == 0)
        rc = write_next(c, &p, from);
    table_close(from);
    malloc_trim(0); /* what both tables had cached: tens of MB, and of another thread each time */
    if (rc == 0)
        rc = table_open(p.next, TABLE_READ, &c->table);
    if (rc == 0)
        rc = flip(&p);
    if (rc == 0) {
        finish(c, &p);
        return 0;
    }
    table_close(c->table);
    c->table = NULL;
    fences_deinit(&c->fences);
    unlink(p.next);
    return rc;
}

static int remove_file(const char *path)
{
    if (unlink(path) < 0 && errno != ENOENT)
        return directory_failed("remove", path, errno);
    return 0;
}

/* The flip may be one that was not yet on disk when the process was killed: it is brought there
 * before the journal after it is dropped. */
int checkpoint_clean_up(const char *directory)
{
    struct stat table;
    struct stat spare;
    struct paths p;
    int rc;

    make_paths(directory, &p);
    rc = remove_file(p.next);
    if (rc == 0 && stat(p.table, &table) == 0 && stat(p.spare, &spare) == 0 &&
        table.st_ino == spare.st_ino)
        rc = remove_file(p.spare);
    return rc < 0 ? rc : sync_names(directory);
}
