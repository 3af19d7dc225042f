/* A table made in one go, out of entries that come in order, which is to replace what a store
 * holds: the contract of an engine. gdbm/build.h makes it in a directory beside the store's own,
 * postgres/build.h in one transaction of the database.
 *
 *     volume_id(), add_key() ..., add_orphan() ...; finish(), or cancel()
 *
 * Calls block, and are one thread's at a time. */
#ifndef MKV_STORE_BUILD_H
#define MKV_STORE_BUILD_H

#include "index/store/store.h"

struct build;

/* What an engine gives. Each call is described below. */
struct build_engine {
    int (*volume_id)(struct build *build, const char *name, uint32_t *id);
    int (*add_key)(struct build *build, const void *key, size_t len, const struct record *record);
    int (*add_orphan)(struct build *build, const void *key, size_t len, uint64_t generation,
                      const struct orphan *orphan);
    int (*skip_orphan)(struct build *build, const void *key, size_t len, uint64_t generation);
    int (*finish)(struct build *build);
    void (*cancel)(struct build *build);
};

/* An engine's own struct begins with it. Each engine has a function that begins it. */
struct build {
    const struct build_engine *engine;
};

/* The id of a volume, which is given one if it has none. 0 and *id; UV_ENAMETOOLONG; or UV_ENOMEM
 * after a log line. */
static inline int build_volume_id(struct build *build, const char *name, uint32_t *id)
{
    return build->engine->volume_id(build, name, id);
}

/* Each adds an entry: first all keys in byte order, then all orphans by key and, of one key, by
 * generation. `key` has 1 to STORE_KEY_MAX bytes, none of them NUL. 0; UV_EEXIST when that
 * was the last one already, or UV_EINVAL when it should have come before the last one, and then
 * nothing has changed; or another negative UV_E* after a log line, and then only build_cancel() may
 * follow. */
static inline int build_add_key(struct build *build, const void *key, size_t len,
                                const struct record *record)
{
    return build->engine->add_key(build, key, len, record);
}

static inline int build_add_orphan(struct build *build, const void *key, size_t len,
                                   uint64_t generation, const struct orphan *orphan)
{
    return build->engine->add_orphan(build, key, len, generation, orphan);
}

/* Leaves an orphan out, and checks its order as if it were added. 0, UV_EEXIST or UV_EINVAL. */
static inline int build_skip_orphan(struct build *build, const void *key, size_t len,
                                    uint64_t generation)
{
    return build->engine->skip_orphan(build, key, len, generation);
}

/* Makes it whole and durable, and frees. 0, or a negative UV_E* after a log line. */
static inline int build_finish(struct build *build)
{
    return build->engine->finish(build);
}

/* Frees. NULL does nothing. */
static inline void build_cancel(struct build *build)
{
    if (build != NULL)
        build->engine->cancel(build);
}

#endif
