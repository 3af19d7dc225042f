#include "index/s3/mark.h"

#include <stdlib.h>
#include <string.h>

struct mark {
    struct write *write;
    write_done_cb done;
    void *arg;
    size_t meta_len;
    char meta[];
};

static void drained_cb(void *arg)
{
    (void)arg;
}

static void written_cb(void *arg, int rc, const char *text, const struct record *record)
{
    struct mark *m = arg;

    m->done(m->arg, rc, text, record);
    free(m);
}

static void started_cb(void *arg)
{
    struct mark *m = arg;
    char text[UPLOAD_TEXT_MAX];
    int rc = write_end_with(m->write, m->meta, m->meta_len, text);

    if (rc < 0)
        written_cb(m, rc, text, NULL);
}

static struct mark *mark_new(const struct mark_options *options)
{
    const struct meta *meta = options->meta;
    size_t n = meta != NULL ? meta->len : 0;
    struct mark *m = malloc(sizeof(*m) + n);

    if (m == NULL)
        return NULL;
    m->done = options->done;
    m->arg = options->arg;
    m->meta_len = n;
    if (n > 0)
        memcpy(m->meta, meta->bytes, n);
    return m;
}

int mark_write(struct objects *objects, const struct key *key, const struct mark_options *options)
{
    struct mark *m = mark_new(options);
    const struct write_options write_options = {
        .size = 0,
        .needs_md5 = true,
        .allows_empty = true,
        .started = started_cb,
        .drained = drained_cb,
        .done = written_cb,
        .arg = m,
    };
    char text[UPLOAD_TEXT_MAX];
    int rc;

    if (m == NULL)
        return UV_ENOMEM;
    rc = write_start(objects, key, &write_options, &m->write, text);
    if (rc < 0)
        free(m);
    return rc;
}
