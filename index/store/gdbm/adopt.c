/* A table in place of a store:
 *
 *     DIR/restore.tmp/index.gdbm -> DIR/index.gdbm, by rename(2)
 *
 * The new table says that it holds all blocks of the old journal. So with that one step the old
 * segments mean nothing any more, as after a checkpoint.
 * The spare must be gone before: a later checkpoint could take it for the table before the new one.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "index/base/log.h"
#include "index/store/gdbm/directory.h"
#include "index/store/gdbm/internal.h"
#include "index/store/gdbm/segment.h"
#include "index/store/gdbm/step.h"

/* The table in the stage is whole and follows our journal; *block is the last one that it has. */
static int check_table(const struct gdbm_engine *s, const char *path, uint64_t *block)
{
    struct table_header header;
    struct table *table;
    int rc = table_open(path, TABLE_READ, &table);

    if (rc == UV_ENOENT)
        return directory_failed("open", path, ENOENT);
    if (rc < 0)
        return rc;
    rc = table_read_header(table, &header);
    table_close(table);
    if (rc == 0 && header.block < journal_last(s->journal)) {
        log_error("%s was not made to replace the index in %s", path, s->directory);
        rc = UV_EINVAL;
    }
    if (rc == 0)
        *block = header.block;
    return rc;
}

/* No harm if one stays: the next opening skips it. */
static void remove_segments(const char *directory)
{
    struct segment_list list = {0};
    char path[PATH_MAX];

    segment_list_read(directory, &list);
    for (size_t i = 0; i < list.count; i++) {
        snprintf(path, sizeof(path), "%s/" SEGMENT_NAME, directory, list.segments[i].first);
        unlink(path);
    }
    segment_list_deinit(&list);
}

uint64_t gdbm_engine_last_block(const struct store *store)
{
    const struct gdbm_engine *s = engine_of(store);

    return journal_last(s->journal);
}

int gdbm_engine_adopt(struct store *store)
{
    struct gdbm_engine *s = engine_of(store);
    char path[PATH_MAX];
    char from[PATH_MAX];
    uint64_t block = 0;
    int rc;

    snprintf(from, sizeof(from), "%s/" GDBM_ENGINE_STAGE "/" TABLE_NAME, s->directory);
    snprintf(path, sizeof(path), "%s/" SPARE_NAME, s->directory);
    rc = check_table(s, from, &block);
    if (rc < 0)
        return rc;
    if (unlink(path) < 0 && errno != ENOENT)
        return directory_failed("remove", path, errno);
    rc = directory_sync(s->directory);
    if (rc < 0)
        return directory_failed("sync", s->directory, -rc);
    snprintf(path, sizeof(path), "%s/" TABLE_NAME, s->directory);
    engine_step("adopt: spare removed");
    if (rename(from, path) < 0)
        return directory_failed("rename", from, errno);
    engine_step("adopt: renamed");
    rc = directory_sync(s->directory);
    if (rc < 0)
        return directory_failed("sync", s->directory, -rc);
    engine_step("adopt: rename on disk");
    journal_skip(s->journal, block);
    remove_segments(s->directory);
    engine_step("adopt: segments removed");
    gdbm_engine_remove_stage(s->directory);
    return 0;
}

static int remove_files(DIR *stream, const char *path)
{
    const struct dirent *entry;

    while ((entry = readdir(stream)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(stream), entry->d_name, 0) < 0)
            return directory_failed("empty", path, errno);
    }
    return rmdir(path) < 0 ? directory_failed("remove", path, errno) : 0;
}

int gdbm_engine_remove_stage(const char *directory)
{
    char path[PATH_MAX];
    DIR *stream;
    int rc;

    snprintf(path, sizeof(path), "%s/" GDBM_ENGINE_STAGE, directory);
    stream = opendir(path);
    if (stream == NULL)
        return errno == ENOENT ? 0 : directory_failed("open", path, errno);
    rc = remove_files(stream, path);
    closedir(stream);
    return rc;
}
