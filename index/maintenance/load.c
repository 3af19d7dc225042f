#include "index/maintenance/load.h"

#include <errno.h>

static int name_volumes(struct load *load, struct dump_line *line)
{
    bool is_key = line->kind == DUMP_KEY;
    struct place *places = is_key ? line->record.places : line->orphan.places;
    unsigned n = is_key ? line->record.n_places : line->orphan.n_places;
    int rc = 0;

    for (unsigned i = 0; i < n && rc == 0; i++)
        rc = build_volume_id(load->build, line->volumes[i], &places[i].volume);
    return rc;
}

static int add(struct load *load, struct dump_line *line)
{
    const struct key *key = &line->key;
    int rc;

    if (line->kind == DUMP_ORPHAN && load->skip_orphans)
        return build_skip_orphan(load->build, key->bytes, key->len, line->generation);
    rc = name_volumes(load, line);
    if (rc < 0)
        return rc;
    if (line->kind == DUMP_KEY)
        return build_add_key(load->build, key->bytes, key->len, &line->record);
    return build_add_orphan(load->build, key->bytes, key->len, line->generation, &line->orphan);
}

static int take_entry(struct load *load, struct dump_line *line, const char **problem)
{
    int rc = add(load, line);

    if (rc == UV_EEXIST)
        *problem = "has the same key as the line before";
    else if (rc == UV_EINVAL)
        *problem = "should come before the line before it: keys in order, then orphans in order";
    return *problem != NULL ? -EINVAL : rc;
}

int load_line(struct load *load, const char *text, size_t len, const char **problem)
{
    struct dump_line *line = &load->line;

    *problem = dump_read_line(&load->reader, text, len, line);
    if (*problem != NULL)
        return -EINVAL;
    if (line->kind == DUMP_KEY || line->kind == DUMP_ORPHAN)
        return take_entry(load, line, problem);
    return 0;
}
