/* Happy path: the index is opened, so that nobody else does, and found empty; next to it, a table
 * is made in DIR/restore.tmp; the index adopts it.
 *
 * Failures: whatever happens before the adoption leaves the index alone, and restore.tmp is
 * removed; after a crash in between, the next one who opens the index removes it. */
#include "index/maintenance/restore.h"

#include <errno.h>
#include <string.h>

#include "index/base/lines.h"
#include "index/base/log.h"
#include "index/base/reserve.h"
#include "index/maintenance/load.h"
#include "index/maintenance/offline.h"

struct restore {
    const struct restore_options *options;
    uv_loop_t loop;
    struct store *store; /* the index */
    struct load load;
};

static int check_empty(const struct restore *r)
{
    struct store_stats stats;

    store_stats(r->store, &stats);
    if (r->options->replace || stats.keys + stats.unlinked + stats.orphans == 0)
        return 0;
    log_error("the index in %s isn't empty: it has %llu keys, %llu unlinked ones and %llu orphans; "
              "give another --index, or --replace to give them up",
              r->options->directory, (unsigned long long)stats.keys,
              (unsigned long long)stats.unlinked, (unsigned long long)stats.orphans);
    return UV_EEXIST;
}

/* --- Reading --------------------------------------------------------------------------------- */

static int refuse(const struct restore *r, const struct lines *lines, const char *problem)
{
    log_error("line %llu of %s %s; nothing was restored", (unsigned long long)lines->number,
              r->options->name, problem);
    return UV_EINVAL;
}

static int cannot_read(const struct restore *r, int rc)
{
    log_error("cannot read %s: %s; nothing was restored", r->options->name, strerror(-rc));
    return rc;
}

static int read_lines(struct restore *r, struct lines *lines)
{
    const char *problem = NULL;
    const char *text;
    size_t len;
    int rc;

    while ((rc = lines_next(lines, &text, &len)) > 0) {
        rc = load_line(&r->load, text, len, &problem);
        if (problem != NULL)
            return refuse(r, lines, problem);
        if (rc < 0)
            return rc;
    }
    if (rc == -EMSGSIZE)
        return refuse(r, lines, "is too long");
    if (rc < 0)
        return cannot_read(r, rc);
    if (r->load.ended)
        return 0;
    log_error("%s ends after line %llu without the end of a dump: it was cut off; nothing was "
              "restored",
              r->options->name, (unsigned long long)lines->number);
    return UV_EINVAL;
}

/* --- The stage ------------------------------------------------------------------------------- */

static int make_stage(struct restore *r)
{
    struct lines lines = {.fd = r->options->input, .max = DUMP_LINE_MAX};
    int rc = build_start(r->options->directory, store_last_block(r->store), &r->load.build);

    if (rc < 0)
        return rc;
    rc = read_lines(r, &lines);
    lines_deinit(&lines);
    if (rc == 0)
        return build_finish(r->load.build);
    build_cancel(r->load.build);
    return rc;
}

static int restore(struct restore *r)
{
    int rc = store_open(&r->loop, r->options->directory, &(struct store_options){.sync = true},
                        &r->store);

    if (rc < 0)
        return rc;
    offline_settle(&r->loop, r->store);
    rc = check_empty(r);
    if (rc == 0)
        rc = make_stage(r);
    if (rc == 0)
        rc = store_adopt(r->store);
    if (rc < 0)
        store_remove_stage(r->options->directory);
    offline_close(&r->loop, r->store);
    return rc;
}

int restore_run(const struct restore_options *options, struct dump_counts *counts)
{
    struct restore r = {.options = options, .load = {.skip_orphans = options->skip_orphans}};
    int rc = uv_loop_init(&r.loop);

    if (rc < 0) {
        log_error("cannot restore %s: %s", options->name, uv_strerror(rc));
        return rc;
    }
    rc = reserve_take(&r.loop);
    if (rc == 0)
        rc = restore(&r);
    if (rc == 0)
        *counts = r.load.counts;
    uv_run(&r.loop, UV_RUN_DEFAULT);
    uv_loop_close(&r.loop);
    return rc;
}
