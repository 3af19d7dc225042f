#include "index/maintenance/load.h"

#include <errno.h>
#include <string.h>

#include "index/store/key_order.h"

/* --- Commits --------------------------------------------------------------------------------- */

static void committed_cb(struct store_commit *commit, int rc)
{
    struct load *load = commit->data;

    if (load->rc == 0)
        load->rc = rc;
    load->in_flight--;
}

/* Lets the store write the first half while we read the second. */
static void make_way(struct load *load)
{
    if (load->in_flight == LOAD_COMMITS / 2)
        uv_run(load->loop, UV_RUN_NOWAIT);
    while (load->in_flight == LOAD_COMMITS)
        uv_run(load->loop, UV_RUN_ONCE);
}

static int commit(struct load *load, const struct dump_line *line)
{
    const struct store_change change = {
        .space = load->space,
        .key = line->key.bytes,
        .len = line->key.len,
        .record = load->space == STORE_KEYS ? &line->record : NULL,
        .generation = line->generation,
        .orphan = load->space == STORE_ORPHANS ? &line->orphan : NULL,
    };
    struct store_commit *c = &load->commits[load->n_commits % LOAD_COMMITS];
    int rc;

    c->data = load;
    rc = store_commit(load->store, c, &change, 1, committed_cb);
    if (rc < 0)
        return rc;
    load->n_commits++;
    load->in_flight++;
    make_way(load);
    return load->rc;
}

int load_wait(struct load *load)
{
    while (load->in_flight > 0)
        uv_run(load->loop, UV_RUN_ONCE);
    return load->rc;
}

/* --- Lines ----------------------------------------------------------------------------------- */

static int name_volumes(struct load *load, struct dump_line *line)
{
    bool is_key = line->kind == DUMP_KEY;
    struct place *places = is_key ? line->record.places : line->orphan.places;
    unsigned n = is_key ? line->record.n_places : line->orphan.n_places;
    int rc = 0;

    for (unsigned i = 0; i < n && rc == 0; i++)
        rc = store_volume_id(load->store, line->volumes[i], &places[i].volume);
    return rc;
}

static const char *check_order(struct load *load, const struct dump_line *line)
{
    enum store_space space = line->kind == DUMP_KEY ? STORE_KEYS : STORE_ORPHANS;
    int order;

    if (space < load->space)
        return "has a key behind the first orphan";
    if (space > load->space)
        load->any = false;
    load->space = space;
    order = load->any
                ? key_compare(load->last.bytes, load->last.len, line->key.bytes, line->key.len)
                : -1;
    if (order == 0 && load->last_generation != line->generation)
        order = load->last_generation < line->generation ? -1 : 1;
    load->last_generation = line->generation;
    load->any = true;
    load->last.len = line->key.len;
    memcpy(load->last.bytes, line->key.bytes, line->key.len);
    if (order == 0)
        return "has the same key as the line before";
    return order < 0 ? NULL : "has a key that should come before the last one";
}

static int take_record(struct load *load, struct dump_line *line, const char **problem)
{
    int rc;

    *problem = check_order(load, line);
    if (*problem != NULL)
        return -EINVAL;
    if (line->kind == DUMP_KEY)
        dump_count(&load->counts, &line->record);
    else
        load->counts.orphans++;
    if (load->space == STORE_ORPHANS && load->skip_orphans)
        return 0;
    rc = name_volumes(load, line);
    return rc < 0 ? rc : commit(load, line);
}

static const char *check_end(struct load *load, const struct dump_counts *counts)
{
    load->ended = true;
    if (counts->keys != load->counts.keys || counts->unlinked != load->counts.unlinked ||
        counts->orphans != load->counts.orphans)
        return "counts other keys than there are: lines are missing or too many";
    return NULL;
}

int load_line(struct load *load, const char *text, size_t len, const char **problem)
{
    struct dump_line *line = &load->line;

    *problem = load->ended ? "comes after the end of the dump" : dump_line_parse(text, len, line);
    if (*problem == NULL && load->begun == (line->kind == DUMP_HEADER))
        *problem = load->begun ? "is a second header" : "is no header: this is no dump";
    if (*problem != NULL)
        return -EINVAL;
    load->begun = true;
    if (line->kind == DUMP_END)
        *problem = check_end(load, &line->counts);
    else if (line->kind != DUMP_HEADER)
        return take_record(load, line, problem);
    return *problem != NULL ? -EINVAL : 0;
}
