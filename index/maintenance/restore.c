#include "index/maintenance/restore.h"

#include <errno.h>
#include <string.h>

#include "index/base/lines.h"
#include "index/base/log.h"
#include "index/maintenance/load.h"
#include "index/maintenance/replace.h"

struct restore {
    const struct restore_options *options;
    uint64_t bytes; /* of the lines so far */
    struct load load;
};

/* --- Reading --------------------------------------------------------------------------------- */

static int refuse(const struct restore *r, const struct lines *lines, const char *problem)
{
    log_error("line %llu of %s %s; nothing was restored: restore another dump, or run mkv rebuild",
              (unsigned long long)lines->number, r->options->name, problem);
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
        r->bytes += len + 1;
        if (r->options->progress_cb != NULL)
            r->options->progress_cb(lines->number, r->bytes, r->options->arg);
    }
    if (rc == -EMSGSIZE)
        return refuse(r, lines, "is too long");
    if (rc < 0)
        return cannot_read(r, rc);
    if (r->load.reader.ended)
        return 0;
    log_error("%s ends after line %llu without the end of a dump: it was cut off; nothing was "
              "restored: restore another dump, or run mkv rebuild",
              r->options->name, (unsigned long long)lines->number);
    return UV_EINVAL;
}

/* --- The new index --------------------------------------------------------------------------- */

static int fill_cb(struct build *build, void *arg)
{
    struct restore *r = arg;
    struct lines lines = {.fd = r->options->input, .max = DUMP_LINE_MAX};
    int rc;

    r->load.build = build;
    rc = read_lines(r, &lines);
    lines_deinit(&lines);
    return rc;
}

int restore_run(const struct restore_options *options, struct dump_counts *counts)
{
    struct restore r = {.options = options, .load = {.skip_orphans = options->skip_orphans}};
    const struct replace replace = {
        .directory = options->directory,
        .store_uri = options->store_uri,
        .give_up = options->replace,
        .fill_cb = fill_cb,
        .arg = &r,
    };
    int rc = replace_run(&replace);

    if (rc == 0)
        *counts = r.load.reader.counts;
    return rc;
}
