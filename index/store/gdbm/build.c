/* Happy path: entries go into the run, which writes full pages; build_finish() adds the names of
 * volumes, which are the last in order, and writes the list of pages and the header, without which
 * a file is no table.
 *
 * Failures: a full disk or a crash leaves a stage without a header, or with a whole table that
 * nobody has adopted. Neither is ever looked at: the next one who opens the index removes it. */
#include "index/store/gdbm/build.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/disk_error.h"
#include "index/base/log.h"
#include "index/store/gdbm/directory.h"
#include "index/store/gdbm/internal.h"
#include "index/store/gdbm/run.h"
#include "index/store/gdbm/step.h"
#include "index/store/key_order.h"
#include "index/store/names.h"

struct gdbm_build {
    struct build base;
    char directory[PATH_MAX]; /* the stage */
    struct table *table;
    struct table_header header;
    struct fences fences;
    struct run run;
    struct names volumes;
    unsigned char last[INTERNAL_KEY_MAX]; /* the internal key of the last entry */
    size_t last_len;
};

static const struct build_engine gdbm_build_calls;

static struct gdbm_build *gdbm_build_of(struct build *build)
{
    return (struct gdbm_build *)build;
}

static int out_of_memory(void)
{
    log_error("cannot make a new index: out of memory");
    return UV_ENOMEM;
}

static void build_free(struct gdbm_build *b)
{
    table_close(b->table);
    run_deinit(&b->run);
    fences_deinit(&b->fences);
    names_deinit(&b->volumes);
    free(b);
}

/* --- Start and end --------------------------------------------------------------------------- */

static int open_table(struct gdbm_build *b)
{
    char path[PATH_MAX];
    int rc = directory_make(b->directory);

    if (rc < 0)
        return rc;
    engine_step("build: directory made");
    snprintf(path, sizeof(path), "%.*s/" TABLE_NAME, PATH_MAX - (int)sizeof("/" TABLE_NAME),
             b->directory);
    rc = table_open(path, TABLE_CREATE, &b->table);
    if (rc == 0) {
        b->run.to = b->table;
        rc = run_init(&b->run, &b->fences);
    }
    return rc;
}

int build_start(const char *directory, uint64_t after_block, struct build **build)
{
    struct gdbm_build *b = calloc(1, sizeof(*b));
    int rc;

    if (b == NULL)
        return out_of_memory();
    snprintf(b->directory, sizeof(b->directory), "%s/" GDBM_ENGINE_STAGE, directory);
    b->header = (struct table_header){.generation = 1, .block = after_block};
    b->run.fences = &b->fences;
    b->run.generation = b->header.generation;
    rc = open_table(b);
    if (rc < 0) {
        build_free(b);
        return rc;
    }
    b->base.engine = &gdbm_build_calls;
    *build = &b->base;
    return 0;
}

/* --- Entries --------------------------------------------------------------------------------- */

/* Takes an internal key for the last one, if it follows. */
static int follow(struct gdbm_build *b, const unsigned char *key, size_t len)
{
    int order = key_compare(b->last, b->last_len, key, len);

    if (order >= 0)
        return order == 0 ? UV_EEXIST : UV_EINVAL;
    memcpy(b->last, key, len);
    b->last_len = len;
    return 0;
}

/* `key` has room for the suffix of a piece. */
static int add(struct gdbm_build *b, unsigned char *key, size_t len, const unsigned char *value,
               size_t value_len)
{
    int rc = follow(b, key, len);

    for (size_t i = 0; rc == 0 && i < split_count(value_len); i++)
        rc = run_add(&b->run, key, split_key(key, len, i), value + i * PAGE_VALUE_MAX,
                     split_size(value_len, i));
    return rc;
}

static void take_generation(struct gdbm_build *b, uint64_t generation)
{
    if (generation > b->header.last_generation)
        b->header.last_generation = generation;
}

static int add_key(struct build *build, const void *key, size_t len, const struct record *record)
{
    struct gdbm_build *b = gdbm_build_of(build);
    unsigned char internal[INTERNAL_KEY_MAX];
    unsigned char value[RECORD_MAX];
    int rc = add(b, internal, engine_internal_key(key, len, internal), value,
                 record_encode(record, value));

    if (rc < 0)
        return rc;
    take_generation(b, record->generation);
    if (record->flags & RECORD_UNLINKED)
        b->header.unlinked++;
    else
        b->header.keys++;
    return 0;
}

static int add_orphan(struct build *build, const void *key, size_t len, uint64_t generation,
                      const struct orphan *orphan)
{
    struct gdbm_build *b = gdbm_build_of(build);
    unsigned char internal[INTERNAL_KEY_MAX];
    unsigned char value[ORPHAN_MAX];
    int rc = add(b, internal, engine_orphan_key(key, len, generation, internal), value,
                 orphan_encode(orphan, value));

    if (rc < 0)
        return rc;
    take_generation(b, generation);
    b->header.orphans++;
    return 0;
}

static int skip_orphan(struct build *build, const void *key, size_t len, uint64_t generation)
{
    struct gdbm_build *b = gdbm_build_of(build);
    unsigned char internal[INTERNAL_KEY_MAX];

    return follow(b, internal, engine_orphan_key(key, len, generation, internal));
}

/* --- Volumes --------------------------------------------------------------------------------- */

static int volume_id(struct build *build, const char *name, uint32_t *id)
{
    struct gdbm_build *b = gdbm_build_of(build);
    int rc = names_id(&b->volumes, name, id);

    return rc == UV_ENOMEM ? out_of_memory() : rc;
}

static int add_volumes(struct gdbm_build *b)
{
    int rc = 0;

    for (uint32_t id = 0; id < b->volumes.count && rc == 0; id++) {
        const char *name = names_text(&b->volumes, id);
        unsigned char key[VOLUME_KEY_SIZE + SPLIT_SUFFIX];

        engine_volume_key(id, key);
        rc = add(b, key, VOLUME_KEY_SIZE, (const unsigned char *)name, strlen(name));
    }
    return rc;
}

/* --- The end --------------------------------------------------------------------------------- */

static int finish_table(struct gdbm_build *b)
{
    struct table *table = b->table;

    b->table = NULL;
    return table_finish(table);
}

static int sync_names(const struct gdbm_build *b)
{
    int rc = directory_sync(b->directory);

    if (rc == 0)
        return 0;
    log_error("cannot sync %s: %s", b->directory, strerror(-rc));
    return disk_error(-rc);
}

static int finish(struct build *build)
{
    struct gdbm_build *b = gdbm_build_of(build);
    int rc = add_volumes(b);

    if (rc == 0)
        rc = run_finish(&b->run);
    engine_step("build: pages written");
    if (rc == 0)
        rc = table_write_header(b->table, &b->header);
    engine_step("build: header written");
    if (rc == 0)
        rc = finish_table(b);
    engine_step("build: table on disk");
    if (rc == 0)
        rc = sync_names(b);
    build_free(b);
    return rc;
}

static void cancel(struct build *build)
{
    build_free(gdbm_build_of(build));
}

static const struct build_engine gdbm_build_calls = {.volume_id = volume_id,
                                                     .add_key = add_key,
                                                     .add_orphan = add_orphan,
                                                     .skip_orphan = skip_orphan,
                                                     .finish = finish,
                                                     .cancel = cancel};
