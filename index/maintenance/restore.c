/* Happy path: the index is opened, so that nobody else does, and found empty; next to it, a store
 * is filled in DIR/restore.tmp, brought into its table, and closed; the index adopts it.
 *
 * Failures: whatever happens before the adoption leaves the index alone, and restore.tmp is
 * removed; after a crash in between, the next one who opens the index removes it. */
#include "index/maintenance/restore.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
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
    struct load *load;   /* its store is in restore.tmp */
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

static int fail(const struct restore *r, const char *what, int rc)
{
    log_error("%s %s: %s; nothing was restored", what, r->options->name, strerror(-rc));
    return rc;
}

static int read_lines(struct restore *r, struct lines *lines)
{
    const char *problem = NULL;
    const char *text;
    size_t len;
    int rc;

    while ((rc = lines_next(lines, &text, &len)) > 0) {
        rc = load_line(r->load, text, len, &problem);
        if (problem != NULL)
            return refuse(r, lines, problem);
        if (rc < 0)
            return fail(r, "cannot store what is in", rc);
    }
    if (rc == -EMSGSIZE)
        return refuse(r, lines, "is too long");
    if (rc < 0)
        return fail(r, "cannot read", rc);
    if (r->load->ended)
        return 0;
    log_error("%s ends after line %llu without the end of a dump: it was cut off; nothing was "
              "restored",
              r->options->name, (unsigned long long)lines->number);
    return UV_EINVAL;
}

static int fill_stage(struct restore *r)
{
    struct lines lines = {.fd = r->options->input, .max = DUMP_LINE_MAX};
    int rc = read_lines(r, &lines);
    int last = load_wait(r->load);

    lines_deinit(&lines);
    if (rc == 0 && last < 0)
        rc = fail(r, "cannot store what is in", last);
    return rc == 0 ? offline_checkpoint(&r->loop, r->load->store) : rc;
}

/* --- The two stores -------------------------------------------------------------------------- */

static int make_stage(struct restore *r)
{
    const struct store_options options = {
        .sync = true,
        .after_block = store_last_block(r->store),
    };
    char path[PATH_MAX];
    int rc;

    snprintf(path, sizeof(path), "%s/" STORE_STAGE, r->options->directory);
    r->load->loop = &r->loop;
    r->load->skip_orphans = r->options->skip_orphans;
    rc = store_open(&r->loop, path, &options, &r->load->store);
    if (rc < 0)
        return rc;
    rc = fill_stage(r);
    offline_close(&r->loop, r->load->store);
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
    if (rc == 0) {
        rc = make_stage(r);
        if (rc == 0)
            rc = store_adopt(r->store);
        else
            store_remove_stage(r->options->directory);
    }
    offline_close(&r->loop, r->store);
    return rc;
}

int restore_run(const struct restore_options *options, struct dump_counts *counts)
{
    struct restore r = {.options = options, .load = calloc(1, sizeof(*r.load))};
    int rc = r.load != NULL ? uv_loop_init(&r.loop) : UV_ENOMEM;

    if (rc < 0) {
        log_error("cannot restore %s: %s", options->name, uv_strerror(rc));
        free(r.load);
        return rc;
    }
    rc = reserve_take(&r.loop);
    if (rc == 0)
        rc = restore(&r);
    if (rc == 0)
        *counts = r.load->counts;
    uv_run(&r.loop, UV_RUN_DEFAULT);
    uv_loop_close(&r.loop);
    free(r.load);
    return rc;
}
