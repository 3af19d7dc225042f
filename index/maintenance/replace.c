/* Happy path: the index is opened, so that nobody else does, and found empty; next to it, a table
 * is made in DIR/restore.tmp; the index adopts it.
 *
 * Failures: whatever happens before the adoption leaves the index alone, and restore.tmp is
 * removed; after a crash in between, the next one who opens the index removes it.
 *
 * A database does the same in one transaction. */
#include "index/maintenance/replace.h"

#include "index/base/log.h"
#include "index/base/reserve.h"
#include "index/maintenance/offline.h"
#include "index/store/gdbm/build.h"
#ifdef MKV_POSTGRES
#include "index/store/postgres/build.h"
#endif

static int check_empty(const struct replace *r, const struct store *store)
{
    struct store_stats stats;

    store_stats(store, &stats);
    if (r->give_up || stats.keys + stats.unlinked + stats.orphans == 0)
        return 0;
    log_error("the index in %s isn't empty: it has %llu keys, %llu unlinked ones and %llu orphans; "
              "give another --index, or --replace to give them up",
              r->directory, (unsigned long long)stats.keys, (unsigned long long)stats.unlinked,
              (unsigned long long)stats.orphans);
    return UV_EEXIST;
}

static int fill(const struct replace *r, struct build *build)
{
    int rc = r->fill_cb(build, r->arg);

    if (rc == 0)
        return build_finish(build);
    build_cancel(build);
    return rc;
}

static int make_stage(const struct replace *r, const struct store *store)
{
    struct build *build;
    int rc = build_start(r->directory, gdbm_engine_last_block(store), &build);

    return rc < 0 ? rc : fill(r, build);
}

static int replace_database(const struct replace *r)
{
#ifdef MKV_POSTGRES
    struct build *build;
    int rc = postgres_build_start(r->store_uri, r->give_up, &build);

    return rc < 0 ? rc : fill(r, build);
#else
    (void)r;
    log_error("this mkv was built without PostgreSQL");
    return UV_ENOTSUP;
#endif
}

static int run(const struct replace *r, uv_loop_t *loop)
{
    struct store *store;
    int rc =
        gdbm_engine_open(loop, r->directory, &(struct gdbm_engine_options){.sync = true}, &store);

    if (rc < 0)
        return rc;
    offline_settle(loop, store);
    rc = check_empty(r, store);
    if (rc == 0)
        rc = make_stage(r, store);
    if (rc == 0)
        rc = gdbm_engine_adopt(store);
    if (rc < 0)
        gdbm_engine_remove_stage(r->directory);
    offline_close(loop, store);
    return rc;
}

int replace_run(const struct replace *r)
{
    uv_loop_t loop;
    int rc;

    if (r->store_uri != NULL)
        return replace_database(r);
    rc = uv_loop_init(&loop);
    if (rc < 0) {
        log_error("cannot make an index in %s: %s", r->directory, uv_strerror(rc));
        return rc;
    }
    rc = reserve_take(&loop);
    if (rc == 0)
        rc = run(r, &loop);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return rc;
}
